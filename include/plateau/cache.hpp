// SPDX-License-Identifier: MIT
#pragma once

/// The cache room: maps that forget.
///
/// The leak it ends is the map at module scope that never evicts. A cache here is bounded by entries or by bytes (there
/// is none without a bound), and by time if asked; its bound holds after every call, in memory and not only in number.
///
///     plateau::lru_cache<std::string, page> pages{{.max_bytes = 64_MiB, .time_to_live = 30s}};
///
/// | type                 | for                          | order                        |
/// |----------------------|------------------------------|------------------------------|
/// | lru_cache            | one thread                   | exact LRU                    |
/// | concurrent_cache     | threads that share it        | S3-FIFO within each shard    |
/// | concurrent_lru_cache | the same                     | exact LRU within each shard  |
///
/// Layers stand on any of them, and on one another, and cost nothing to those who do not name them:
///
/// | layer                | what it adds                                                                  |
/// |----------------------|-------------------------------------------------------------------------------|
/// | loading_cache        | one load a key for all who ask, stale values while a new one comes, absence   |
/// | tagged_cache         | entries that carry tags, and go together                                      |
/// | tiered_cache         | a slower store behind the memory, which may fail                              |
///
/// How it is built, from the ground up: chunk_index.hpp finds the slot of a key (key_match.hpp), slab.hpp holds the
/// slots, lru_order.hpp or s3fifo_order.hpp (with ghosts.hpp) knows who goes first, lifetimes.hpp (with deadlines.hpp,
/// timer_wheel.hpp and verdicts.hpp) who is over, bounds.hpp how far the bounds reach; shape.hpp names these parts for
/// given policies, and core.hpp makes them one structure; shard.hpp says who may enter it and how entries end;
/// byte_pool.hpp is the budget that shards share; engine.hpp has each operation once, and the public types are its
/// faces. layer_access.hpp is what layers stand on.
///
/// Beside it stand keys that a stranger cannot confuse (composite_key.hpp, route_key.hpp) and dumps of the entries
/// (dump.hpp).

#include <plateau/cache/composite_key.hpp>
#include <plateau/cache/concurrent_cache.hpp>
#include <plateau/cache/concurrent_lru_cache.hpp>
#include <plateau/cache/dump.hpp>
#include <plateau/cache/loading_cache.hpp>
#include <plateau/cache/lru_cache.hpp>
#include <plateau/cache/options.hpp>
#include <plateau/cache/pin.hpp>
#include <plateau/cache/policies.hpp>
#include <plateau/cache/route_key.hpp>
#include <plateau/cache/stats.hpp>
#include <plateau/cache/tagged_cache.hpp>
#include <plateau/cache/tiered_cache.hpp>
