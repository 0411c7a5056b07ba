// SPDX-License-Identifier: MIT
#pragma once

#include <plateau/config.hpp>

#if PLATEAU_EXCEPTIONS
#    include <exception>
#else
#    include <system_error>
#endif

PLATEAU_NAMESPACE_BEGIN

/// Why a queue or a pipeline was aborted: the exception where there are exceptions, else an error code. The empty one
/// says that nothing failed: somebody wanted it to stop.
#if PLATEAU_EXCEPTIONS
using failure = std::exception_ptr;
#else
using failure = std::error_code;
#endif

PLATEAU_NAMESPACE_END
