// SPDX-License-Identifier: MIT
#include "cache/adversarial_hash_checks.hpp"
#include "seeded_bugs/shared_check.hpp"
#include "tools/catch.hpp"

#include <plateau/cache.hpp>

#include <cstddef>
#include <cstdint>

using namespace plateau_test;

namespace {

/// Keys that differ only in the bits that `Shift` and `Count` leave.
template <unsigned Shift, unsigned Bits>
struct few_bits {
    static constexpr std::size_t shards_of_eight = Shift == 61 ? 8 : 1;  ///< that keys are in
    using is_transparent = void;
    using is_avalanching = void;
    std::uint64_t operator()(std::uint64_t key) const noexcept {
        return (key & ((std::uint64_t{1} << Bits) - 1)) << Shift;
    }
};

template <class Hash, class Base = plateau::cache_policies>
struct hashed : Base {
    using hash = Hash;
};

template <class Hash>
struct one_shard : hashed<Hash, plateau::concurrent_cache_policies> {
    static constexpr std::size_t shards = 1;
};
template <class Hash>
struct eight_shards : hashed<Hash, plateau::concurrent_cache_policies> {
    static constexpr std::size_t shards = 8;
};

}  // namespace

TEMPLATE_TEST_CASE("a cache whose keys share all or most bits of their hash answers right", "[cache][unit]",
                   (few_bits<0, 0>), (few_bits<0, 3>), (few_bits<32, 8>), (few_bits<61, 3>), (few_bits<25, 7>),
                   (few_bits<7, 4>)) {
    const auto turn = [](auto& cache, std::size_t size) {
        for (std::uint64_t i = 0; i < 3'000; ++i) {
            cache.put(i, i + 1);
            REQUIRE(cache.get(i) == i + 1);
            if (i % 3 == 0) REQUIRE(cache.erase(i));
            if (i % 500 == 0) cache.check_invariants();
        }
        REQUIRE(cache.size() <= size);
        REQUIRE(cache.size() + 8 > size);  // the last of a shard may be one that was erased
        REQUIRE_FALSE(cache.contains(0));
        cache.check_invariants();
    };
    plateau::lru_cache<std::uint64_t, std::uint64_t, hashed<TestType>> one{{.max_entries = 200}};
    turn(one, 200);
    plateau::concurrent_lru_cache<std::uint64_t, std::uint64_t, one_shard<TestType>> shared{{.max_entries = 200}};
    turn(shared, 200);
    // Where the bits are alike that choose a shard, all keys are in one, and fill no more than its part.
    plateau::concurrent_cache<std::uint64_t, std::uint64_t, eight_shards<TestType>> sharded{{.max_entries = 1'600}};
    turn(sharded, 200 * TestType::shards_of_eight);
}

TEST_CASE("churn at constant size leaves no trace: look-ups cost after a million changes what they cost at first",
          "[cache][unit]") {
    passes(churn_leaves_no_trace<counts_equalities>);
}
