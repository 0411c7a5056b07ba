// SPDX-License-Identifier: MIT
#pragma once

/// What one part of the flat-memory proof is: a server's habit, done twice. The leaky twin makes the founding mistake
/// with the standard library alone; the plateau twin does the same work with a plateau type. A room plugs in by one
/// file beside this one that holds a namespace-scope `const registered`.

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <memory>
#include <mutex>
#include <new>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace flat_memory {

/// Requested bytes that are allocated now, by every operator new of this process.
[[nodiscard]] std::size_t live_bytes() noexcept;

/// Called by a twin where it holds nothing in its own hands: what is allocated there beyond the baseline belongs to the
/// type under proof. The largest such figure is the exact witness.
void at_rest() noexcept;

/// Threads that exist before the baseline is read, so that their stacks and heaps are not charged to a twin.
class crew {
public:
    explicit crew(unsigned size);
    ~crew();
    crew(const crew&) = delete;
    crew& operator=(const crew&) = delete;

    [[nodiscard]] unsigned size() const noexcept { return static_cast<unsigned>(threads_.size()); }

    /// Runs job(0) ... job(size() - 1), each on its own thread, and waits for all of them.
    void run(const std::function<void(unsigned)>& job);

private:
    void work(unsigned index);

    std::mutex mutex_;
    std::condition_variable changed_;
    const std::function<void(unsigned)>* job_ = nullptr;
    std::uint64_t task_ = 0;
    unsigned busy_ = 0;
    bool ended_ = false;
    std::vector<std::thread> threads_;
};

class twin {
public:
    virtual ~twin() = default;

    /// A twin's own frame is not what it proves: the witness does not see it.
    static void* operator new(std::size_t size) {
        if (void* const frame = std::malloc(size)) return frame;
        throw std::bad_alloc();
    }
    static void operator delete(void* frame) noexcept { std::free(frame); }

    /// The work of one round. Every round asks for the same sizes in the same order; only the keys are new.
    virtual void round(crew& threads) = 0;

    /// The most bytes it says it will ever hold.
    [[nodiscard]] virtual std::size_t memory_ceiling() const = 0;

    /// What a process without requests still does, until everything is over that ends by itself. Returns: whether that
    /// is everything: then the twin must hold no more than when it was new.
    virtual bool idle() { return false; }
};

/// `unreachable` gives the plateau twin bounds that no run can reach: the proof must then fail.
enum class bounds { real, unreachable };

struct flat_case {
    std::string_view name;
    std::string_view what;  // one sentence for the report
    unsigned threads;
    std::uint64_t work_per_round;
    bool bound_can_be_lifted;  // false: no options make the plateau type unbounded
    std::unique_ptr<twin> (*leaky)();
    std::unique_ptr<twin> (*plateau)(bounds);
};

[[nodiscard]] std::vector<flat_case>& cases();

struct registered {
    explicit registered(flat_case one) { cases().push_back(one); }
};

/// A small generator for sizes and choices: the same sequence for the same seed, everywhere.
class random_numbers {
public:
    explicit random_numbers(std::uint64_t seed) noexcept : state_(seed) {}

    std::uint64_t operator()() noexcept {  // SplitMix64
        std::uint64_t x = state_ += 0x9e3779b97f4a7c15U;
        x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9U;
        x = (x ^ (x >> 27)) * 0x94d049bb133111ebU;
        return x ^ (x >> 31);
    }
    std::uint64_t below(std::uint64_t end) noexcept { return operator()() % end; }

private:
    std::uint64_t state_;
};

/// 40 bytes to 100 KB as pages and API answers have them: most are small, a few are large. The mean is about 640 bytes.
[[nodiscard]] inline std::size_t value_size(random_numbers& random) noexcept {
    const std::uint64_t kind = random.below(1'000);
    if (kind < 950) return 40 + random.below(460);
    if (kind < 995) return 500 + random.below(4'500);
    return 5'000 + random.below(95'000);
}

}
