// SPDX-License-Identifier: MIT
#pragma once

/// A twin runs in a process of its own and is led by its observer, one line for one byte:
///
///     child                       observer
///     baseline                    reads the child's resident size, sends a byte
///     ceiling <bytes>             sends a byte
///     round <exact bytes>         sends a byte                     (once a round)
///     idle <exact bytes more than when it was new>                  (where an idle twin lets go of everything)
///
/// While it waits for its byte the twin holds nothing that its type does not hold, so the observer's reading and the
/// exact figure speak of the same moment. The end of either pipe ends the child.

#include "case.hpp"

namespace flat_memory {

enum class role { leaky, plateau };

/// The child's side, on standard input and output. Returns the exit code of the process.
int be_twin(const flat_case& one, role who, bounds bound, unsigned rounds);

}
