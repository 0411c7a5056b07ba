// SPDX-License-Identifier: MIT
/// What must hold of bytes that shards share, for the tests and for the defects planted in them.
#pragma once

#include "seeded_bugs/shared_check.hpp"

#include <plateau/cache.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace plateau_test {

/// An outer budget that tells what was taken of it.
class budget_account {
public:
    explicit budget_account(std::size_t limit = plateau::unlimited) : limit_(limit) {}

    class part_type {
    public:
        explicit part_type(budget_account& of) noexcept : of_(&of) {}
        bool try_charge(std::size_t bytes) noexcept {
            std::size_t charged = of_->charged_.load();
            do {
                if (bytes > of_->limit_ - charged) return ++of_->refused_, false;
            } while (!of_->charged_.compare_exchange_weak(charged, charged + bytes));
            return true;
        }
        void refund(std::size_t bytes) noexcept { of_->charged_.fetch_sub(bytes); }

    private:
        budget_account* of_;
    };
    [[nodiscard]] part_type part() noexcept { return part_type(*this); }

    [[nodiscard]] std::size_t charged() const noexcept { return charged_.load() - taken_; }
    [[nodiscard]] std::size_t refused() const noexcept { return refused_.load(); }
    /// Somebody else takes what is left.
    bool take_all() noexcept {
        taken_ = limit_ - charged_.load();
        return part().try_charge(taken_);
    }
    void give_back() noexcept {
        part().refund(taken_);
        taken_ = 0;
    }

private:
    std::size_t limit_;
    std::size_t taken_ = 0;
    std::atomic<std::size_t> charged_{0};
    std::atomic<std::size_t> refused_{0};
};

/// Weighs what it says.
struct weighed {
    std::size_t bytes = 0;
};
inline std::size_t owned_bytes(const weighed& value) noexcept { return value.bytes; }

/// The low two bits of a key are its shard.
struct low_bits_first {
    using is_avalanching = void;
    std::uint64_t operator()(int key) const noexcept {
        const auto bits = static_cast<std::uint64_t>(key);
        return (bits << 62U) | (bits * 0x9e37'79b1U & 0xffff'ffffU);
    }
};
struct four_by_low_bits : plateau::concurrent_cache_policies {
    using hash = low_bits_first;
    using charge = budget_account::part_type;
    static constexpr std::size_t shards = 4;
    static constexpr std::size_t min_shard_entries = 1;
    static constexpr std::size_t max_page_slots = 2;
    static constexpr std::size_t max_page_bytes = 1;
};
struct charged_alone : plateau::cache_policies {
    using charge = budget_account::part_type;
    static constexpr std::size_t max_page_slots = 2;
    static constexpr std::size_t max_page_bytes = 1;
};

template <class Policies>
void a_budget_moves_between_shards(shared_check& check) {
    budget_account account;
    using cache_type = plateau::concurrent_lru_cache<int, weighed, Policies>;
    constexpr std::size_t each = 10'000 + cache_type::entry_overhead;
    cache_type cache{{.max_bytes = 40 * each}, account.part()};
    for (int key = 0; key < 40; ++key) cache.put(4 * key, weighed{10'000});
    check.expect(cache.size() == 40, "one shard holds all that fits the budget");
    for (int key = 0; key < 400; ++key) cache.put(4 * key + 1 + key % 3, weighed{10'000});
    std::size_t others = 0;
    for (int key = 0; key < 400; ++key) others += cache.contains(4 * key + 1 + key % 3);
    check.expect(others >= 20, "the others get their part");
    check.expect(cache.size() >= 39, "the budget stays in use");
    check.expect(account.charged() <= 40 * each, "no more is charged than the budget");
    cache.check_invariants();
    cache.clear();
    check.expect(account.charged() == 0, "an empty cache holds nothing of the outer budget");
}

template <class Policies>
void a_heavy_entry_is_kept(shared_check& check) {
    budget_account account;
    using cache_type = plateau::concurrent_lru_cache<int, weighed, Policies>;
    cache_type cache{{.max_bytes = 100'000}, account.part()};
    for (int key = 0; key < 200; ++key) cache.put(key, weighed{1'000});
    const std::size_t heaviest = 100'000 - cache_type::entry_overhead;
    check.expect(cache.put(1'000, weighed{heaviest + 1}).reason() == plateau::cache_reason::too_large,
                 "what is heavier than the budget is too large");
    check.expect(cache.size() > 80, "and takes nobody's place");
    check.expect(static_cast<bool>(cache.put(1'000, weighed{heaviest})), "as heavy as the budget");
    check.expect(cache.size() == 1, "it has the budget for itself");
    {
        const auto pinned = cache.pin(1'000);
        check.expect(static_cast<bool>(pinned), "it can be pinned");
        check.expect(cache.stats().pinned_bytes == 100'000, "and is charged whole");
    }
    check.expect(static_cast<bool>(cache.put(1, weighed{10})), "then it goes");
    check.expect(cache.size() == 1 && cache.contains(1), "the small one has taken its place");
    check.expect(account.charged() <= 200'000, "the budget, and once more what is pinned");
    cache.check_invariants();
}

template <class Policies>
void a_wandering_bound_is_kept(shared_check& check) {
    budget_account account;
    using cache_type = plateau::concurrent_lru_cache<int, weighed, Policies>;
    cache_type cache{{.max_entries = 4'096, .max_bytes = 50'000}, account.part()};
    std::uint64_t state = 1;
    const auto below = [&state](std::uint64_t n) {
        state = state * 6'364'136'223'846'793'005U + 1'442'695'040'888'963'407U;
        return (state >> 33U) % n;
    };
    std::size_t bound = 50'000;
    for (int i = 0; i < 20'000; ++i) {
        cache.put(static_cast<int>(below(500)), weighed{below(40) == 0 ? below(30'000) : below(2'000)});
        if (below(20) == 0) cache.erase(static_cast<int>(below(500)));
        if (below(100) == 0) {
            const std::size_t bounds[] = {0, 500, 5'000, 50'000, 500'000, plateau::unlimited};
            bound = bounds[below(6)];
            cache.set_max_bytes(bound);
        }
        check.expect(cache.stats().bytes <= bound, "no more bytes than the bound");
        check.expect(account.charged() >= cache.stats().bytes, "what is here is charged");
        check.expect(bound == plateau::unlimited || account.charged() <= bound + bound,
                     "no more is charged than bounds allow");
        if (i % 100 == 0) cache.check_invariants();
    }
}

template <class Policies>
void pins_are_bounded_together(shared_check& check) {
    using cache_type = plateau::concurrent_lru_cache<int, weighed, Policies>;
    constexpr std::size_t each = 1'000 + cache_type::entry_overhead;
    budget_account account;
    cache_type cache{{.max_entries = 4'096, .max_pinned_bytes = 10 * each}, account.part()};
    for (int key = 0; key < 40; ++key) cache.put(key, weighed{1'000});
    std::vector<plateau::pin<weighed>> pins;
    for (const int shard : {0, 1, 2, 3, 0, 2}) {
        pins.clear();
        for (int key = 0; key < 10; ++key) {
            pins.push_back(cache.pin(4 * key + shard));
            if (!check.expect(static_cast<bool>(pins.back()), "a pin of another shard leaves its bytes behind")) return;
        }
        check.expect(cache.pin((shard + 1) % 4).reason() == plateau::cache_reason::pinned_full, "not one more");
        check.expect(cache.stats().pinned_bytes == 10 * each, "what is pinned is counted over all shards");
    }
}

template <class Policies>
void what_is_erased_leaves_the_outer_budget(shared_check& check) {
    budget_account account;
    plateau::concurrent_lru_cache<int, std::string, Policies> cache{{.max_bytes = 1'000'000}, account.part()};
    for (int key = 0; key < 40; ++key) cache.put(key, std::string(10'000, 'x'));
    check.expect(account.charged() >= 400'000, "what is there is charged");
    check.equal(cache.erase_if([](int, const std::string&) { return true; }), 40U, "entries erased by choice");
    check.equal(account.charged(), 0U, "what is charged after that");
    cache.put(1, std::string(500'000, 'x'));
    check.expect(cache.erase(1), "a large one is erased");
    check.equal(account.charged(), 0U, "what is charged after that");
}

/// An outer budget that says when a shard has gone: each gives back what it still has for pins, if that is 0, too.
struct telling_budget {
    budget_account::part_type part;
    std::function<void()>* gone;
    bool try_charge(std::size_t bytes) noexcept { return part.try_charge(bytes); }
    void refund(std::size_t bytes) noexcept {
        part.refund(bytes);
        if (bytes == 0 && *gone) std::exchange(*gone, nullptr)();
    }
};
struct charged_tellingly : four_by_low_bits {
    using charge = telling_budget;
};

/// A value whose end takes its time: it asks the test.
struct lingering {
    std::function<void()>* end = nullptr;

    explicit lingering(std::function<void()>& last) noexcept : end(&last) {}
    lingering(lingering&& other) noexcept : end(std::exchange(other.end, nullptr)) {}
    lingering& operator=(lingering&&) = delete;
    ~lingering() {
        if (end != nullptr && *end) (*end)();
    }
};
inline std::size_t owned_bytes(const lingering&) noexcept { return 1'000; }

/// A pinned value is destroyed by another thread until the shards have gone, but for what it has in use there.
template <class Policies>
void a_value_that_ends_beside_its_cache_gives_back_once(shared_check& check) {
    budget_account account;
    std::atomic<bool> ending{false};
    std::atomic<bool> may_end{false};
    std::function<void()> gone;
    std::function<void()> wait_for_the_test = [&] {
        ending = true;
        ending.notify_one();
        may_end.wait(false);
    };
    std::function<void()> at_once;
    std::thread other;
    {
        plateau::concurrent_lru_cache<int, lingering, Policies> cache{{.max_bytes = 1'000'000},
                                                                      telling_budget{account.part(), &gone}};
        cache.put(0, lingering{wait_for_the_test});
        cache.put(4, lingering{at_once});  // of the same shard
        auto pin = cache.pin(0);
        if (!check.expect(static_cast<bool>(pin), "the value is pinned")) return;
        cache.erase(0);
        other = std::thread([last = std::move(pin)]() mutable { last.reset(); });
        ending.wait(false);
        gone = [&] {
            may_end = true;
            may_end.notify_one();
            other.join();
        };
    }
    check.expect(!gone, "the shard went before the value");
    check.equal(account.charged(), 0U, "what is charged at the end");
}

}  // namespace plateau_test
