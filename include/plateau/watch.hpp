// SPDX-License-Identifier: MIT
#pragma once

/// The watch room: what the program holds, whether that grows, and how much it may ever be.
///
/// Three questions, three answers that do not trust one another:
///
///   who holds it     `ledger`: exact accounts by name, charged by the parts themselves; `diff` says what grew
///   does it grow     `memory_sampler` keeps the line of the resident memory in fixed memory; `judge` answers flat,
///                    growing, shrinking or inconclusive by ranks, so that neither a burst nor noise decides;
///                    `soak` does both in a test, on identical rounds
///   how much at most `memory_plan`: the declared ceilings of all parts against the container's limit
///
/// `write_prometheus` and `write_json` tell all of it, and every other part's figures, to whoever scrapes.
///
/// Promise   no thread of ours, no global state; a reading costs about a microsecond; "inconclusive" is not "flat".
/// Refusals  a system that does not tell its memory is `absent`, never 0.

#include <plateau/watch/counted_allocator.hpp>
#include <plateau/watch/judge.hpp>
#include <plateau/watch/ledger.hpp>
#include <plateau/watch/memory_plan.hpp>
#include <plateau/watch/memory_reader.hpp>
#include <plateau/watch/memory_sampler.hpp>
#include <plateau/watch/metrics.hpp>
#include <plateau/watch/soak.hpp>
#include <plateau/watch/text_sink.hpp>
