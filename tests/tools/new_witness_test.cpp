// SPDX-License-Identifier: MIT
#include "tools/catch.hpp"
#include "tools/death.hpp"
#include "tools/fault.hpp"
#include "tools/new_witness.hpp"
#include "tools/threads.hpp"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>
#include <string>
#include <vector>

using namespace plateau_test;

namespace {

struct alignas(64) wide {
    char bytes[64];
};

/// The compiler may drop a pair of new and delete whose block nobody sees.
void* seen(void* block) {
    static void* volatile place;
    place = block;
    return place;
}

/// A size the compiler does not know, so that it does not warn of what is meant.
std::size_t unknown(std::size_t size) {
    static volatile std::size_t place;
    place = size;
    return place;
}

}  // namespace

TEST_CASE("the witness counts requested bytes, not those malloc rounds to", "[tools][unit]") {
    const new_scope scope;
    void* block = seen(::operator new(1'001));
    const new_counts held = scope.delta();
    ::operator delete(block);
    const new_counts after = scope.delta();
    CHECK(held == new_counts{1'001, 1, 1});
    CHECK(after == new_counts{0, 0, 1});
}

TEST_CASE("the witness sees each form of new, and alignments are kept", "[tools][unit]") {
    const new_scope scope;
    auto* one = new wide;
    auto* many = new wide[3];
    auto* plain = new char[5];
    auto* quiet = new (std::nothrow) std::uint64_t(7);
    auto* aligned = static_cast<std::byte*>(::operator new (100, std::align_val_t{4'096}));
    std::memset(seen(aligned), 1, 100);
    const new_counts held = scope.delta();
    const bool kept = reinterpret_cast<std::uintptr_t>(one) % 64 == 0 &&
                      reinterpret_cast<std::uintptr_t>(many) % 64 == 0 &&
                      reinterpret_cast<std::uintptr_t>(aligned) % 4'096 == 0;
    delete one;
    delete[] many;
    delete[] plain;
    delete quiet;
    ::operator delete (aligned, std::align_val_t{4'096});
    const new_counts after = scope.delta();
    CHECK(kept);
    CHECK(held == new_counts{64 + 3 * 64 + 5 + 8 + 100, 5, 5});
    CHECK(after == new_counts{0, 0, 5});
}

TEST_CASE("the witness sees what the standard library allocates", "[tools][unit]") {
    const new_scope scope;
    std::int64_t held = 0;
    {
        std::vector<char> bytes;
        bytes.reserve(12'345);
        seen(bytes.data());
        held = scope.delta().live_bytes;
    }
    const std::int64_t left = scope.delta().live_bytes;
    CHECK(held == 12'345);
    CHECK(left == 0);
}

TEST_CASE("an absurd size is refused with bad_alloc under every sanitizer", "[tools][unit]") {
    CHECK_THROWS_AS(seen(::operator new(unknown(SIZE_MAX / 2))), std::bad_alloc);
    CHECK_THROWS_AS(seen(::operator new (unknown(SIZE_MAX - 8), std::align_val_t{64})), std::bad_alloc);
    CHECK(::operator new(unknown(SIZE_MAX / 2), std::nothrow) == nullptr);
}

TEST_CASE("the n-th operator new of this thread fails, once or from then on", "[tools][unit]") {
    const auto failures = [](std::uint64_t n, fault_mode mode) {
        std::string pattern(5, '.');
        const armed_fault armed{fault::operator_new, n, mode};
        for (std::size_t i = 0; i < 5; ++i) {
            try {
                ::operator delete(seen(::operator new(8)));
            } catch (const std::bad_alloc&) {
                pattern[i] = 'x';
            }
        }
        return pattern;
    };
    CHECK(failures(0, fault_mode::once) == ".....");
    CHECK(failures(0, fault_mode::from_then_on) == ".....");
    CHECK(failures(1, fault_mode::once) == "x....");
    CHECK(failures(3, fault_mode::once) == "..x..");
    CHECK(failures(3, fault_mode::from_then_on) == "..xxx");
    CHECK(failures(6, fault_mode::from_then_on) == ".....");
}

TEST_CASE("a failing nothrow new answers null", "[tools][unit]") {
    void* block = &block;
    {
        const armed_fault armed{fault::operator_new, 1};
        block = ::operator new(8, std::nothrow);
    }
    CHECK(block == nullptr);
}

TEST_CASE("the witness ends the process at a block deleted twice", "[tools][unit]") {
    const death end = dies([] {
        void* volatile block = ::operator new(24);
        ::operator delete(block);
        ::operator delete(block);
    });
    CHECK_FALSE(end.survived());
}

TEST_CASE("the witness ends the process at the wrong form of delete", "[tools][unit]") {
    const death array = dies([] { ::operator delete(seen(::operator new[](24))); });
    CHECK(array.signal == SIGABRT);
    CHECK(array.says("the form (array, aligned) is not that of the operator new"));
    const death aligned = dies([] { ::operator delete(seen(::operator new (24, std::align_val_t{64}))); });
    CHECK(aligned.says("the form (array, aligned)"));
}

#if defined(__cpp_sized_deallocation)
TEST_CASE("the witness ends the process at a delete with the wrong size", "[tools][unit]") {
    const death end = dies([] { ::operator delete (seen(::operator new(24)), std::size_t{25}); });
    CHECK(end.signal == SIGABRT);
    CHECK(end.says("the size is not the size asked for"));
}
#endif

TEST_CASE("the witness ends the process at a delete of foreign memory", "[tools][unit]") {
    const death end = dies([] {
        auto* mine = static_cast<std::byte*>(std::calloc(1, 128));
        ::operator delete(seen(mine + 64));
    });
    CHECK(end.signal == SIGABRT);
    CHECK(end.says("the block is not live"));
}

#if defined(__SANITIZE_ADDRESS__)
TEST_CASE("overflow and underflow of a counted block are still seen by the address sanitizer", "[tools][unit]") {
    const auto touch = [](std::ptrdiff_t at, std::align_val_t alignment) {
        return dies([=] {
            auto* bytes = static_cast<char*>(seen(::operator new(40, alignment)));
            static_cast<char* volatile&>(bytes)[at] = 1;
        });
    };
    CHECK(touch(39, std::align_val_t{8}).survived());
    for (const std::ptrdiff_t outside : {-1, -16, 40}) {
        CAPTURE(outside);
        CHECK(touch(outside, std::align_val_t{8}).says("AddressSanitizer"));
        CHECK(touch(outside, std::align_val_t{64}).says("AddressSanitizer"));
    }
}

TEST_CASE("use of a counted block after its delete is still seen by the address sanitizer", "[tools][unit]") {
    const death end = dies([] {
        auto* bytes = static_cast<char*>(seen(::operator new(40)));
        ::operator delete(bytes);
        static_cast<char* volatile&>(bytes)[8] = 1;
    });
    CHECK(end.says("heap-use-after-free"));
}
#endif

TEST_CASE("eight threads that allocate leave the totals exact", "[tools][unit]") {
    const new_scope scope;
    run_together(8, [](std::size_t i) {
        for (std::size_t n = 0; n < 1'000; ++n) ::operator delete(seen(::operator new(n + i)));
    });
    const new_counts after = scope.delta();
    CHECK(after.live_bytes == 0);
    CHECK(after.live_blocks == 0);
    CHECK(after.calls >= 8'000);
}
