// SPDX-License-Identifier: MIT
#pragma once

/// Every public name, without its definition. Default template arguments stand here and nowhere else.

#include <plateau/config.hpp>

#include <cstddef>
#include <cstdint>

PLATEAU_NAMESPACE_BEGIN

/// An option in bytes or in elements that leaves its dimension open.
inline constexpr std::size_t unlimited = SIZE_MAX;

// sync, clock
struct default_sync;
struct steady_clock;
struct coarse_clock;
template <class Sync = default_sync>
class basic_manual_clock;
using manual_clock = basic_manual_clock<>;

// result
template <class T, class Reason>
class result;

// hash
struct hash_key;
class siphash13;
class keyed_hash;
class keyed_fold_hash;
struct unkeyed_hash;

// stop
class never_stop_token;
template <class Sync = default_sync>
class basic_inplace_stop_source;
template <class Sync = default_sync>
class basic_inplace_stop_token;
template <class F, class Sync = default_sync>
class inplace_stop_callback;
using inplace_stop_source = basic_inplace_stop_source<>;
using inplace_stop_token = basic_inplace_stop_token<>;

// executor
class work;
class executor_ref;
struct inline_executor;
struct work_link;

// waiter
template <class F, class Sync = default_sync>
class waiter;

// owned_bytes, charge, arena_bound, describe
struct sizeof_only;
struct owned_bytes_weigher;
struct no_charge;
class charge_ref;
template <class T>
struct unowned;
struct counting;
struct bare;
struct field_info;
enum class field_kind : unsigned char;

// cache
struct cache_options;
struct put_options;
struct cache_stats;
struct cache_policies;
struct concurrent_cache_policies;
class put_result;
struct no_listener;
struct any_equal;
struct counted;
struct none;
struct lru;
struct s3fifo;
struct no_note;
struct no_judge;
enum class cache_reason : unsigned char;
enum class removal_cause : unsigned char;
enum class order : unsigned char;
template <class V>
class pin;
template <class K, class V, class Policies = cache_policies>
class lru_cache;
template <class K, class V, class Policies = concurrent_cache_policies>
class concurrent_cache;
template <class K, class V, class Policies = concurrent_cache_policies>
class concurrent_lru_cache;

// channel
struct queue_options;
struct queue_policies;
struct queue_stats;
enum class queue_reason : unsigned char;
enum class oversize : unsigned char;
template <class T, class Policies = queue_policies>
class bounded_queue;
struct worker_pool_options;
struct worker_pool_policies;
struct worker_pool_stats;
enum class submit_reason : unsigned char;
template <class Policies = worker_pool_policies>
class basic_worker_pool;
using worker_pool = basic_worker_pool<>;
struct stream_options;
struct stream_policies;
enum class stream_reason : unsigned char;
class stream_result;
class fd_source;
class fd_sink;
struct pipeline_options;
struct stage_options;
struct pipeline_policies;
struct pipeline_stats;
enum class pipeline_reason : unsigned char;
template <class T>
class emitter;
template <class Policies, class... Parts>
class basic_pipeline;
template <class... Parts>
class pipeline;

// gate
struct gate_options;
struct admit_options;
struct gate_stats;
struct fixed_limit;
struct fifo;
struct constant_retry;
struct gate_policies;
enum class shed_reason : unsigned char;
enum class drain_reason : unsigned char;
class drain_result;
class header_value;
template <class Sync = default_sync>
class basic_permit;
using permit = basic_permit<>;
template <class Sync = default_sync>
class basic_admission;
using admission = basic_admission<>;
template <class Policies = gate_policies>
class basic_gate;
using gate = basic_gate<>;

// arena
struct arena_pool_options;
struct arena_options;
struct arena_policies;
struct arena_pool_stats;
struct arena_stats;
enum class arena_reason : unsigned char;
class limit_exceeded;
template <class Policies = arena_policies>
class basic_arena_pool;
using arena_pool = basic_arena_pool<>;
class request_arena;
struct scope_options;
struct scope_policies;
struct scope_stats;
template <class Policies = scope_policies>
class basic_scope_token;
template <class Policies = scope_policies>
class basic_request_scope;
using scope_token = basic_scope_token<>;
using request_scope = basic_request_scope<>;
class checkpoint;
struct arena_key_equal;
template <class T>
class arena_allocator;

// watch
struct ledger_options;
struct account_options;
struct ledger_policies;
struct ledger_stats;
struct account_stats;
enum class charge_reason : unsigned char;
template <class Policies = ledger_policies>
class basic_ledger;
template <class Policies = ledger_policies>
class basic_account;
using ledger = basic_ledger<>;
using account = basic_account<>;
class ledger_snapshot;
class ledger_diff;
template <class T, class Policies = ledger_policies>
class counted_allocator;
struct memory_sample;
enum class read_reason : unsigned char;
class memory_reader;
struct memory_sampler_options;
struct memory_sampler_policies;
struct memory_sampler_stats;
template <class Policies = memory_sampler_policies>
class basic_memory_sampler;
using memory_sampler = basic_memory_sampler<>;
enum class verdict : unsigned char;
struct judge_options;
struct judgement;
struct memory_plan_stats;
class memory_plan;
struct soak_options;
struct soak_report;
template <class Stats>
class named_stats;

// support
struct event_options;
struct event_policies;
struct event_stats;
enum class subscribe_reason : unsigned char;
class subscription;
template <class Policies, class... Args>
class basic_event;
template <class... Args>
using event = basic_event<event_policies, Args...>;

PLATEAU_NAMESPACE_END
