// SPDX-License-Identifier: MIT
/// What a request's memory costs, and how much of it a process needs. Names are <what>/<how>; arena.claims refers to
/// them.

#include "team.hpp"
#include "witness.hpp"

#include <plateau/arena.hpp>

#include <benchmark/benchmark.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <memory>
#include <memory_resource>
#include <mutex>
#include <optional>
#include <string>
#include <sys/resource.h>
#include <sys/wait.h>
#include <type_traits>
#include <unistd.h>
#include <vector>

namespace bench {
namespace {

/// xorshift64 (G. Marsaglia, 2003).
struct numbers {
    std::uint64_t state;
    std::uint64_t operator()() noexcept {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        return state;
    }
};

/// mimalloc, where it is installed. Opened and not linked: a program that is linked with it has its malloc and its
/// operator new as well, and then there would be no other left to compare with.
struct mimalloc {
    void* (*allocate)(std::size_t) = nullptr;
    void (*free)(void*) = nullptr;
    void* (*heap)() = nullptr;
    void* (*allocate_in)(void* heap, std::size_t) = nullptr;
    void (*end)(void* heap) = nullptr;

    static const mimalloc& get() {
        static const mimalloc it;
        return it;
    }
    [[nodiscard]] bool missing() const noexcept { return end == nullptr; }

private:
    mimalloc() {
        void* const library = ::dlopen("libmimalloc.so.2", RTLD_NOW | RTLD_LOCAL);
        if (library == nullptr) return;
        take(allocate, library, "mi_malloc");
        take(free, library, "mi_free");
        take(heap, library, "mi_heap_new");
        take(allocate_in, library, "mi_heap_malloc");
        take(end, library, "mi_heap_destroy");
    }
    template <class F>
    static void take(F& function, void* library, const char* name) {
        function = reinterpret_cast<F>(::dlsym(library, name));
    }
};
constexpr const char* no_mimalloc = "mimalloc is not installed (Debian, Ubuntu: libmimalloc2.0)";

// ---- small: a request of 1,000 objects of 16 to 256 bytes, then its end

constexpr std::size_t small_objects = 1'000;

const std::vector<std::uint16_t>& small_sizes() {
    static const std::vector<std::uint16_t> sizes = [] {
        std::vector<std::uint16_t> drawn(8'192);
        numbers random{88172645463325252u};
        for (auto& size : drawn) size = static_cast<std::uint16_t>(16 + random() % 241);
        return drawn;
    }();
    return sizes;
}

/// One request a step: `begin()` answers a function that allocates; its end is that of what begin answered.
template <class Request>
void small_requests(benchmark::State& state, Request request) {
    const std::vector<std::uint16_t>& sizes = small_sizes();
    std::array<void*, small_objects> objects{};
    std::size_t round = 0;
    const auto step = [&] {
        const std::size_t first = round++ % (sizes.size() - small_objects);
        request([&](auto&& allocate) {
            for (std::size_t i = 0; i < small_objects; ++i) {
                void* const object = allocate(sizes[first + i]);
                *static_cast<std::uint64_t*>(object) = i;
                objects[i] = object;
            }
            benchmark::DoNotOptimize(objects.data());
            benchmark::ClobberMemory();
        });
    };
    for (auto _ : state) step();
    const auto before = witness::read();
    {
        const witness::armed armed;
        step();
    }
    state.counters["allocations_per_op"] =
        static_cast<double>((witness::read() - before).allocations) / static_cast<double>(small_objects);
    state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(small_objects));
}

/// The least that a bump allocator can do: no end of the buffer, no alignment but eight.
void small_bump(benchmark::State& state) {
    std::vector<char> buffer(512 << 10);
    small_requests(state, [&](auto use) {
        char* at = buffer.data();
        use([&](std::size_t n) {
            char* const object = at;
            at += (n + 7) & ~std::size_t{7};
            return static_cast<void*>(object);
        });
    });
}
void small_request_arena(benchmark::State& state) {
    plateau::arena_pool pool;
    small_requests(state, [&](auto use) {
        plateau::request_arena arena(pool);
        use([&](std::size_t n) { return arena.allocate_bytes(n, 8); });
    });
}
void small_arena_reset(benchmark::State& state) {
    plateau::arena_pool pool;
    plateau::request_arena arena(pool);
    small_requests(state, [&](auto use) {
        use([&](std::size_t n) { return arena.allocate_bytes(n, 8); });
        arena.reset();
    });
}
void small_arena_as_pmr(benchmark::State& state) {
    plateau::arena_pool pool;
    small_requests(state, [&](auto use) {
        plateau::request_arena arena(pool);
        std::pmr::memory_resource* resource = &arena;
        benchmark::DoNotOptimize(resource);
        use([&](std::size_t n) { return resource->allocate(n, 8); });
    });
}
void small_pmr_buffer(benchmark::State& state) {
    std::vector<char> buffer(512 << 10);
    small_requests(state, [&](auto use) {
        std::pmr::monotonic_buffer_resource resource(buffer.data(), buffer.size());
        use([&](std::size_t n) { return resource.allocate(n, 8); });
    });
}
void small_pmr_fresh(benchmark::State& state) {
    small_requests(state, [&](auto use) {
        std::pmr::monotonic_buffer_resource resource;
        use([&](std::size_t n) { return resource.allocate(n, 8); });
    });
}
void small_malloc(benchmark::State& state) {
    std::vector<void*> taken(small_objects);
    small_requests(state, [&](auto use) {
        std::size_t count = 0;
        use([&](std::size_t n) { return taken[count++] = std::malloc(n); });
        for (void* const object : taken) std::free(object);
    });
}

/// A heap for each request, which ends as a whole.
void small_mimalloc_heap(benchmark::State& state) {
    const mimalloc& mi = mimalloc::get();
    if (mi.missing()) return state.SkipWithError(no_mimalloc);
    small_requests(state, [&](auto use) {
        void* const heap = mi.heap();
        use([&](std::size_t n) { return mi.allocate_in(heap, n); });
        mi.end(heap);
    });
}

// ---- serve: 20,000 requests of 10 KB to 3 MB, 40 in flight on two threads, beside 2,000 small blocks that live on

constexpr std::size_t serve_requests = 20'000;
constexpr std::size_t serve_in_flight = 40;

struct standard_malloc {
    static void* allocate(std::size_t n) { return std::malloc(n); }
    static void free(void* object) noexcept { std::free(object); }
};
/// Not its heaps: those belong to a thread, and a request here goes from one to the other.
struct mimalloc_malloc {
    static void* allocate(std::size_t n) { return mimalloc::get().allocate(n); }
    static void free(void* object) noexcept { mimalloc::get().free(object); }
};

/// How a request gets its memory: `allocate(n)` until `end()`.
template <class Malloc>
class from_malloc {
public:
    void begin(plateau::arena_pool&) noexcept {}
    void* allocate(std::size_t n) {
        auto* const node = static_cast<header*>(Malloc::allocate(sizeof(header) + n));
        node->next = all_;
        all_ = node;
        return node + 1;
    }
    void end() noexcept {
        while (all_ != nullptr) {
            header* const node = all_;
            all_ = node->next;
            Malloc::free(node);
        }
    }

private:
    struct alignas(16) header {
        header* next;
    };
    header* all_ = nullptr;
};
class from_pmr_fresh {
public:
    void begin(plateau::arena_pool&) { resource_.emplace(16'384); }
    void* allocate(std::size_t n) { return resource_->allocate(n, 8); }
    void end() noexcept { resource_.reset(); }

private:
    std::optional<std::pmr::monotonic_buffer_resource> resource_;
};
class from_request_arena {
public:
    void begin(plateau::arena_pool& pool) { arena_.emplace(pool); }
    void* allocate(std::size_t n) { return arena_->allocate_bytes(n, 8); }
    void end() noexcept { arena_.reset(); }

private:
    std::optional<plateau::request_arena> arena_;
};

/// What a child process tells.
struct serve_report {
    double seconds;
    double at_once;
    double cpu_seconds;   ///< of both threads, the kernel's part included
    double peak_mib;      ///< the kernel's, less what was resident before
    double peak_to_live;  ///< less what lives on, to the most that requests held
    double idle_mib;      ///< what the pool keeps after five idle windows
};

double kib_of(const char* path, const char* field) {
    double kib = 0;
    if (std::FILE* const file = std::fopen(path, "r")) {
        char line[256];
        const std::size_t length = std::strlen(field);
        while (std::fgets(line, sizeof line, file) != nullptr)
            if (std::strncmp(line, field, length) == 0) kib = std::strtod(line + length, nullptr);
        std::fclose(file);
    }
    return kib;
}

double cpu_seconds() {
    rusage used{};
    ::getrusage(RUSAGE_SELF, &used);
    const auto seconds = [](const timeval& t) {
        return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) * 1e-6;
    };
    return seconds(used.ru_utime) + seconds(used.ru_stime);
}

/// Most objects are small, a few are large: a page's tree.
std::size_t object_size(numbers& random) {
    const std::uint64_t kind = random() % 1'000;
    if (kind < 990) return 16 + random() % 497;
    return kind < 999 ? 2'048 + random() % 14'336 : 65'536 + random() % 131'072;
}

template <class Memory>
serve_report serve() {
    struct slot {
        std::atomic<bool> busy{false};
        bool running = false;
        std::size_t wanted = 0;
        std::size_t done = 0;
        Memory memory;
    };
    plateau::arena_pool pool;
    std::vector<slot> slots(serve_in_flight);
    std::atomic<std::size_t> ended{0};
    std::atomic<std::int64_t> live{0}, most_live{0};
    std::mutex survivors_mutex;
    std::vector<std::unique_ptr<char[]>> survivors(2'000);
    std::size_t next_survivor = 0;
    std::int64_t survivor_bytes = 0;
    const double before = kib_of("/proc/self/status", "VmRSS:");
    const double cpu_before = cpu_seconds();
    const auto start = std::chrono::steady_clock::now();
    const auto elapsed = [&] { return std::chrono::steady_clock::now() - start; };

    const auto go_on = [&](slot& at, numbers& random) {
        if (!at.running) {
            const double uniform = static_cast<double>(random() >> 11) / 9007199254740992.0;
            at.wanted = static_cast<std::size_t>(10'240.0 * std::exp(uniform * std::log(307.2)));
            at.done = 0;
            at.running = true;
            at.memory.begin(pool);
        }
        std::size_t got = 0;
        while (got < 32'768 && at.done + got < at.wanted) {
            const std::size_t n = object_size(random);
            std::memset(at.memory.allocate(n), 1, n);
            got += n;
        }
        at.done += got;
        const std::int64_t now = live.fetch_add(static_cast<std::int64_t>(got)) + static_cast<std::int64_t>(got);
        for (std::int64_t most = most_live; most < now && !most_live.compare_exchange_weak(most, now);) {}
        if (at.done < at.wanted) return;
        at.memory.end();
        live.fetch_sub(static_cast<std::int64_t>(at.done));
        at.running = false;
        const std::size_t kept = 512 + random() % 3'584;
        auto lives_on = std::make_unique<char[]>(kept);
        std::memset(lives_on.get(), 2, kept);
        {
            const std::lock_guard hold(survivors_mutex);
            survivors[next_survivor++ % survivors.size()].swap(lives_on);
            survivor_bytes = static_cast<std::int64_t>(survivors.size()) * 2'304;
        }
        if (ended.fetch_add(1) % 50 == 0) pool.maintain(plateau::time_point(elapsed()));
    };
    const team_report team = run_team(2, [&](unsigned thread) {
        numbers random{(thread + 1) * 7'919u + 17};
        while (ended.load(std::memory_order_relaxed) < serve_requests) {
            slot& at = slots[random() % slots.size()];
            if (at.busy.exchange(true, std::memory_order_acquire)) continue;
            go_on(at, random);
            at.busy.store(false, std::memory_order_release);
        }
    });
    const double cpu = cpu_seconds() - cpu_before;
    const double peak = kib_of("/proc/self/status", "VmHWM:") - before;
    for (slot& at : slots) at.memory.end();
    for (int window = 1; window <= 5; ++window)
        pool.maintain(plateau::time_point(elapsed() + std::chrono::milliseconds(1'001) * window));
    const double most = static_cast<double>(most_live.load());
    return {.seconds = team.seconds,
            .at_once = team.at_once,
            .cpu_seconds = cpu,
            .peak_mib = peak / 1'024,
            .peak_to_live = (peak * 1'024 - static_cast<double>(survivor_bytes)) / most,
            .idle_mib = static_cast<double>(pool.stats().retained_bytes) / 1'048'576};
}

/// Each run in a process of its own: a peak does not go down again.
template <class Memory>
void serve_apart(benchmark::State& state) {
    if (std::is_same_v<Memory, from_malloc<mimalloc_malloc>> && mimalloc::get().missing())
        return state.SkipWithError(no_mimalloc);
    for (auto _ : state) {
        int ends[2];
        if (::pipe(ends) != 0) return state.SkipWithError("no pipe");
        const pid_t child = ::fork();
        if (child == 0) {
            const serve_report report = serve<Memory>();
            const auto written = ::write(ends[1], &report, sizeof report);
            ::_exit(written == sizeof report ? 0 : 1);
        }
        ::close(ends[1]);
        serve_report report{};
        const bool told = child > 0 && ::read(ends[0], &report, sizeof report) == sizeof report;
        ::close(ends[0]);
        if (child > 0) ::waitpid(child, nullptr, 0);
        if (!told) return state.SkipWithError("the serving process failed");
        state.SetIterationTime(report.seconds);
        state.counters["at_once"] = report.at_once;
        state.counters["cpu_seconds"] = report.cpu_seconds;
        state.counters["peak_mib"] = report.peak_mib;
        state.counters["peak_to_live"] = report.peak_to_live;
        state.counters["idle_mib"] = report.idle_mib;
    }
}

BENCHMARK(small_bump)->Name("small/bump");
BENCHMARK(small_request_arena)->Name("small/request_arena");
BENCHMARK(small_arena_reset)->Name("small/arena_reset");
BENCHMARK(small_arena_as_pmr)->Name("small/arena_as_pmr");
BENCHMARK(small_pmr_buffer)->Name("small/pmr_buffer");
BENCHMARK(small_pmr_fresh)->Name("small/pmr_fresh");
BENCHMARK(small_malloc)->Name("small/malloc");
BENCHMARK(small_mimalloc_heap)->Name("small/mimalloc_heap");

#define SERVE(memory, name)                                                                                            \
    BENCHMARK(serve_apart<memory>)                                                                                     \
        ->Name(name)                                                                                                   \
        ->UseManualTime()                                                                                              \
        ->Iterations(1)                                                                                                \
        ->Repetitions(5)                                                                                               \
        ->Unit(benchmark::kMillisecond)
SERVE(from_request_arena, "serve/request_arena");
SERVE(from_malloc<standard_malloc>, "serve/malloc");
SERVE(from_malloc<mimalloc_malloc>, "serve/mimalloc");
SERVE(from_pmr_fresh, "serve/pmr_fresh");

}
}

BENCHMARK_MAIN();
