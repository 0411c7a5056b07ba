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
/// How it is built, from the ground up: chunk_index.hpp finds the slot of a key, slab.hpp holds the slots,
/// lru_order.hpp or s3fifo_order.hpp (with ghosts.hpp) knows who goes first, deadlines.hpp (with timer_wheel.hpp) and
/// verdicts.hpp who is over; core.hpp makes them one structure with bounds; shard.hpp says who may enter it and how
/// entries end; engine.hpp has each operation once, and the public types are its faces. layer_access.hpp is what layers
/// stand on.

#include <plateau/cache/concurrent_cache.hpp>
#include <plateau/cache/concurrent_lru_cache.hpp>
#include <plateau/cache/loading_cache.hpp>
#include <plateau/cache/lru_cache.hpp>
#include <plateau/cache/options.hpp>
#include <plateau/cache/pin.hpp>
#include <plateau/cache/policies.hpp>
#include <plateau/cache/stats.hpp>
