// SPDX-License-Identifier: MIT
#pragma once

/// The arena room: request state that ends with its request.
///
/// The leak it ends is the object of a request that outlives it: a tree in a cache, a listener on a process-wide event,
/// a buffer kept at the size of the largest request. What a request makes lies in an arena and ends with it, in one
/// order; the blocks go back to a pool that knows how much was needed lately, and never holds more than its bound.
///
///     plateau::arena_pool pool{{.max_bytes = 256_MiB}};
///     plateau::request_arena arena{pool, {.max_bytes = 6_MiB}};
///     plateau::arena_string html("<ul>", arena);
///     std::string page = plateau::detach(html);
///
/// | type            | for                                                                          |
/// |-----------------|------------------------------------------------------------------------------|
/// | arena_pool      | the memory of all requests: one hard bound, retention that follows the need  |
/// | request_arena   | the memory of one request: allocate, create, defer; one end                  |
/// | request_scope   | the request itself: its arena, its listeners, its cancellation; one end      |
/// | arena_vector... | containers that lie in it, and cannot be stored in what outlives the request |
///
/// How it is built, from the ground up: superblock_table.hpp knows which blocks are free and which hold memory;
/// arena_pool.hpp lends them, behind the few verbs of block_source.hpp; request_arena.hpp puts objects into them;
/// containers.hpp and detach.hpp are the ways in and out.
///
/// What it does not catch: a raw pointer kept beyond the end of its arena, in a build without AddressSanitizer.

#include <plateau/arena/arena_pool.hpp>
#include <plateau/arena/containers.hpp>
#include <plateau/arena/detach.hpp>
#include <plateau/arena/limits.hpp>
#include <plateau/arena/pool_options.hpp>
#include <plateau/arena/request_arena.hpp>
#include <plateau/arena/request_scope.hpp>
