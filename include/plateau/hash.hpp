// SPDX-License-Identifier: MIT
#pragma once

#include <plateau/config.hpp>
#include <plateau/detail/seed.hpp>
#include <plateau/fwd.hpp>

#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>

PLATEAU_NAMESPACE_BEGIN

namespace detail {

/// Eight bytes, little end first.
[[nodiscard]] inline std::uint64_t load_word(const void* at) noexcept {
    std::uint64_t word = 0;
    std::memcpy(&word, at, 8);
    return word;
}
/// Up to seven bytes, little end first.
[[nodiscard]] inline std::uint64_t load_partial_word(const char* at, std::size_t size) noexcept {
    std::uint64_t word = 0;
    if (size >= 4) {
        std::uint32_t low = 0;
        std::uint32_t high = 0;
        std::memcpy(&low, at, 4);
        std::memcpy(&high, at + size - 4, 4);
        word = low | (std::uint64_t{high} << (8 * (size - 4)));
    } else if (size != 0) {
        const auto byte = [&](std::size_t i) { return std::uint64_t{static_cast<unsigned char>(at[i])} << (8 * i); };
        word = byte(0) | byte(size / 2) | byte(size - 1);
    }
    return word;
}

}

/// The secret of a keyed hash: 128 bits.
struct hash_key {
    std::uint64_t first = 0;
    std::uint64_t second = 0;

    /// Drawn from the system's generator. Where that fails, from addresses and the clock, mixed.
    [[nodiscard]] static hash_key random() noexcept {
        const detail::seed drawn = detail::draw_seed();
        return {drawn.first, drawn.second};
    }
};

/// SipHash-1-3 (Aumasson and Bernstein, 2012; one compression and three finalisation rounds), as a stream of bytes.
///
/// `hash_append(h, x)` is how a type becomes hashable: write the bytes that make two values equal, and nothing else.
class siphash13 {
public:
    explicit constexpr siphash13(hash_key key) noexcept
        : v0_(key.first ^ 0x736f6d6570736575U),
          v1_(key.second ^ 0x646f72616e646f6dU),
          v2_(key.first ^ 0x6c7967656e657261U),
          v3_(key.second ^ 0x7465646279746573U) {}

    void write(const void* bytes, std::size_t size) noexcept {
        auto* at = static_cast<const unsigned char*>(bytes);
        length_ += size;
        while (pending_ != 0 && size != 0) {
            tail_ |= std::uint64_t{*at++} << (8 * pending_);
            --size;
            if (++pending_ == 8) absorb_tail();
        }
        for (; size >= 8; size -= 8, at += 8) absorb(detail::load_word(at));
        for (; size != 0; --size) tail_ |= std::uint64_t{*at++} << (8 * pending_++);
    }

    /// The hash of all that was written. Ends the stream: called once.
    [[nodiscard]] std::uint64_t finish() noexcept {
        absorb(tail_ | (static_cast<std::uint64_t>(length_) << 56));
        v2_ ^= 0xff;
        round();
        round();
        round();
        return v0_ ^ v1_ ^ v2_ ^ v3_;
    }

    /// The whole of one string at once, without the bookkeeping of a stream.
    [[nodiscard]] static std::uint64_t of(hash_key key, std::string_view text) noexcept {
        siphash13 state(key);
        const char* at = text.data();
        std::size_t size = text.size();
        for (; size >= 8; size -= 8, at += 8) state.absorb(detail::load_word(at));
        state.tail_ = detail::load_partial_word(at, size);
        state.length_ = text.size();
        return state.finish();
    }

private:
    static constexpr std::uint64_t rotate(std::uint64_t word, int bits) noexcept {
        return (word << bits) | (word >> (64 - bits));
    }
    // A call for each round would cost half of a short key's hash.
    PLATEAU_ALWAYS_INLINE void round() noexcept {
        v0_ += v1_;
        v1_ = rotate(v1_, 13) ^ v0_;
        v0_ = rotate(v0_, 32);
        v2_ += v3_;
        v3_ = rotate(v3_, 16) ^ v2_;
        v0_ += v3_;
        v3_ = rotate(v3_, 21) ^ v0_;
        v2_ += v1_;
        v1_ = rotate(v1_, 17) ^ v2_;
        v2_ = rotate(v2_, 32);
    }
    PLATEAU_ALWAYS_INLINE void absorb(std::uint64_t word) noexcept {
        v3_ ^= word;
        round();
        v0_ ^= word;
    }
    void absorb_tail() noexcept {
        absorb(tail_);
        tail_ = 0;
        pending_ = 0;
    }

    std::uint64_t v0_;
    std::uint64_t v1_;
    std::uint64_t v2_;
    std::uint64_t v3_;
    std::uint64_t tail_ = 0;
    std::size_t length_ = 0;
    unsigned pending_ = 0;
};

static_assert(std::endian::native == std::endian::little, "plateau: only little-endian machines are supported");

namespace detail {

template <class T>
concept string_like = std::is_convertible_v<const T&, std::string_view>;

template <class T>
concept word_like = (std::is_integral_v<T> || std::is_enum_v<T> || std::is_pointer_v<T>)&&!string_like<T>;

/// Equal numbers of different integer types become the same word, so that look-up by `int` finds an `std::uint64_t`.
template <word_like T>
[[nodiscard]] constexpr std::uint64_t to_word(T value) noexcept {
    if constexpr (std::is_pointer_v<T>) return reinterpret_cast<std::uintptr_t>(value);
    else if constexpr (std::is_enum_v<T>) return to_word(static_cast<std::underlying_type_t<T>>(value));
    else if constexpr (std::is_signed_v<T>) return static_cast<std::uint64_t>(static_cast<std::int64_t>(value));
    else return static_cast<std::uint64_t>(value);
}

/// Both halves of a 64 x 64 bit product, folded together.
[[nodiscard]] PLATEAU_ALWAYS_INLINE constexpr std::uint64_t multiply_fold(std::uint64_t a, std::uint64_t b) noexcept {
    __extension__ using wide = unsigned __int128;
    const wide product = static_cast<wide>(a) * b;
    return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
}

/// A product keeps the even steps of its input, and some secrets turn them into a few buckets: one in fifty did for
/// multiples of a power of two. A second fold leaves none. (A multiplier of Steele and Vigna, 2021.)
inline constexpr std::uint64_t spread_multiplier = 0xd1342543de82ef95U;

template <class T>
concept tuple_of_parts = requires {
    std::tuple_size<T>::value;
};

}

/// Integers, enumerations and pointers by value; text by length and bytes; pair, tuple and array part by part.
template <detail::word_like T>
void hash_append(siphash13& to, T value) noexcept {
    const std::uint64_t word = detail::to_word(value);
    to.write(&word, sizeof word);
}
template <detail::string_like T>
void hash_append(siphash13& to, const T& value) noexcept {
    const std::string_view text = value;
    hash_append(to, text.size());  // so that ("ab", "c") and ("a", "bc") differ
    to.write(text.data(), text.size());
}
template <detail::tuple_of_parts T>
    requires(!detail::string_like<T>)
void hash_append(siphash13& to, const T& value) noexcept {
    [&]<std::size_t... I>(std::index_sequence<I...>) {
        using std::get;
        (hash_append(to, get<I>(value)), ...);
    }
    (std::make_index_sequence<std::tuple_size<T>::value>{});
}
template <class T>
void hash_append(siphash13& to, const unowned<T>& value) noexcept {
    hash_append(to, value.value);
}

/// Hashes keys that a stranger may choose: without the secret, which is drawn anew for each instance, nobody can
/// compute keys that collide.
///
/// Text goes through SipHash-1-3, a pseudo-random function. Integers, enumerations and pointers go through two
/// multiplications with two secret words, folded: not a pseudo-random function, but no set of keys is bad for every
/// secret. Any other type is hashable once `hash_append(siphash13&, const T&)` exists beside it.
///
/// Transparent: values that compare equal hash alike across std::string, std::string_view and const char*, and numbers
/// of the same value across integer types. Complexity: linear in the bytes of the key. Thread safety: const members
/// from any thread.
class keyed_hash {
public:
    using is_transparent = void;
    using is_avalanching = void;  ///< each bit of the answer depends on all of the key

    keyed_hash() noexcept : keyed_hash(hash_key::random()) {}
    /// With a secret of the caller's: for tests that need the same order twice.
    explicit constexpr keyed_hash(hash_key key) noexcept : key_(key), multiplier_(key.second | 1) {}

    template <detail::word_like T>
    [[nodiscard]] PLATEAU_ALWAYS_INLINE std::uint64_t operator()(T value) const noexcept {
        const std::uint64_t once = detail::multiply_fold(detail::to_word(value) ^ key_.first, multiplier_);
        return detail::multiply_fold(once ^ key_.second, detail::spread_multiplier);
    }
    [[nodiscard]] std::uint64_t operator()(std::string_view text) const noexcept { return siphash13::of(key_, text); }
    template <class T>
        requires(!detail::string_like<unowned<T>>)
    [[nodiscard]] std::uint64_t operator()(const unowned<T>& held) const noexcept { return (*this)(held.value); }
    template <class T>
        requires(!detail::word_like<T> && !detail::string_like<T>)
    [[nodiscard]] std::uint64_t operator()(const T& value) const noexcept {
        constexpr bool hashes = requires(siphash13 & to) { hash_append(to, value); };
        static_assert(hashes,
                      "plateau: this key has no hash; give it `void hash_append(plateau::siphash13&, const T&)` in its "
                      "own namespace, or name a hash of yours in the policies; std::hash is not asked");
        siphash13 state(key_);
        if constexpr (hashes) hash_append(state, value);
        return state.finish();
    }

private:
    hash_key key_;
    std::uint64_t multiplier_;  // odd, so that no input word is lost in the low half of the product
};

/// `keyed_hash` with the multiply-fold for text too: about half of SipHash's time.
///
/// Text is read in blocks of 16 bytes, the last one up to its end; each block is one product of two words, both hidden
/// behind secret words, and the sum of what came before. Not a pseudo-random function: nobody can choose keys that
/// collide without knowing the secret, but who learns very many answers exactly (a position in an index, not a time)
/// might compute it. Where that is thinkable, `keyed_hash`.
///
/// Numbers, compounds and types with a `hash_append` hash as with keyed_hash. Otherwise as that.
class keyed_fold_hash {
public:
    using is_transparent = void;
    using is_avalanching = void;

    keyed_fold_hash() noexcept : keyed_fold_hash(hash_key::random()) {}
    explicit constexpr keyed_fold_hash(hash_key key) noexcept : key_(key), others_(key) {}

    [[nodiscard]] std::uint64_t operator()(std::string_view text) const noexcept {
        const char* at = text.data();
        std::size_t size = text.size();
        std::uint64_t state = 0;
        for (; size > 16; size -= 16, at += 16)
            state = fold_in(state, detail::load_word(at), detail::load_word(at + 8));
        if (text.size() > 16)
            state = fold_in(state, detail::load_word(at + size - 16), detail::load_word(at + size - 8));
        else if (size >= 8) state = fold_in(state, detail::load_word(at), detail::load_word(at + size - 8));
        else state = fold_in(state, detail::load_partial_word(at, size), 0);
        // The length comes after a product with secrets: beside the words it could be balanced by one of them.
        return detail::multiply_fold(state ^ key_.second ^ text.size(), detail::spread_multiplier);
    }
    template <class T>
        requires(!detail::string_like<unowned<T>>)
    [[nodiscard]] std::uint64_t operator()(const unowned<T>& held) const noexcept { return (*this)(held.value); }
    template <class T>
        requires(!detail::string_like<T>)
    [[nodiscard]] PLATEAU_ALWAYS_INLINE std::uint64_t operator()(const T& value) const noexcept {
        return others_(value);
    }

private:
    [[nodiscard]] PLATEAU_ALWAYS_INLINE std::uint64_t fold_in(std::uint64_t state, std::uint64_t first,
                                                              std::uint64_t second) const noexcept {
        return detail::multiply_fold(first ^ key_.first, second ^ key_.second ^ state);
    }

    hash_key key_;
    keyed_hash others_;
};

/// The functions of keyed_hash under a public constant key: faster to construct and the same in every run, and open to
/// whoever chooses keys. For keys that only the program makes.
struct unkeyed_hash : keyed_hash {
    constexpr unkeyed_hash() noexcept : keyed_hash(hash_key{0x9e3779b97f4a7c15U, 0xc2b2ae3d27d4eb4fU}) {}
};

PLATEAU_NAMESPACE_END
