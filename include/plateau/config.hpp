// SPDX-License-Identifier: MIT
#pragma once

/// The options of a translation unit, the namespace that carries them, and what a broken precondition does.
///
/// Options   found in the compiler: exceptions, address sanitizer. Chosen by the user, for the whole program:
///           PLATEAU_HARDENED           1: each mutating member of a stateful type verifies its invariants on exit
///                                      (linear cost, for tests and hunts). Default 0.
///           PLATEAU_VIOLATION_HANDLER  the name of a `void(const char*) noexcept` function, declared by the user
///           before
///                                      any plateau header, called in place of the default message.
/// Mixing    every option is a letter of the inline namespace, so translation units that disagree do not link where a
///           plateau type crosses between them.

#include <plateau/version.hpp>

#include <cstddef>
#include <exception>
#include <unistd.h>

#if defined(__cpp_exceptions)
#    define PLATEAU_EXCEPTIONS 1
#    define PLATEAU_DETAIL_TAG_EXCEPTIONS x
#else
#    define PLATEAU_EXCEPTIONS 0
#    define PLATEAU_DETAIL_TAG_EXCEPTIONS n
#endif

#if !defined(PLATEAU_HARDENED)
#    define PLATEAU_HARDENED 0
#endif
#if PLATEAU_HARDENED
#    define PLATEAU_DETAIL_TAG_HARDENED h
#else
#    define PLATEAU_DETAIL_TAG_HARDENED o
#endif

#if defined(__SANITIZE_ADDRESS__)
#    define PLATEAU_DETAIL_ASAN 1
#elif defined(__has_feature)
#    if __has_feature(address_sanitizer)
#        define PLATEAU_DETAIL_ASAN 1
#    endif
#endif
#if defined(PLATEAU_DETAIL_ASAN)
#    define PLATEAU_DETAIL_TAG_POISON p
#else
#    define PLATEAU_DETAIL_ASAN 0
#    define PLATEAU_DETAIL_TAG_POISON o
#endif

#if defined(PLATEAU_VIOLATION_HANDLER)
#    define PLATEAU_DETAIL_TAG_HANDLER u
#else
#    define PLATEAU_DETAIL_TAG_HANDLER o
#endif

#define PLATEAU_DETAIL_PASTE(major, minor, a, b, c, d) v##major##_##minor##_##a##b##c##d
#define PLATEAU_DETAIL_ABI_NAME(major, minor, a, b, c, d) PLATEAU_DETAIL_PASTE(major, minor, a, b, c, d)
/// Version and options as one identifier, for example v0_1_xooo.
#define PLATEAU_ABI                                                                                                    \
    PLATEAU_DETAIL_ABI_NAME(PLATEAU_VERSION_MAJOR, PLATEAU_VERSION_MINOR, PLATEAU_DETAIL_TAG_EXCEPTIONS,               \
                            PLATEAU_DETAIL_TAG_HARDENED, PLATEAU_DETAIL_TAG_POISON, PLATEAU_DETAIL_TAG_HANDLER)

#define PLATEAU_NAMESPACE_BEGIN                                                                                        \
    namespace plateau {                                                                                                \
    inline namespace PLATEAU_ABI {
#define PLATEAU_NAMESPACE_END                                                                                          \
    }                                                                                                                  \
    }

#if defined(__clang__)
#    define PLATEAU_LIFETIMEBOUND [[clang::lifetimebound]]
#else
#    define PLATEAU_LIFETIMEBOUND
#endif

/// clang before 17 may emit a call to a consteval function that a template names, and the program does not link; a
/// constexpr function evaluates at compile time where it must, and else traps at run time.
#if defined(__clang__) && __clang_major__ < 17
#    define PLATEAU_CONSTEVAL constexpr
#else
#    define PLATEAU_CONSTEVAL consteval
#endif

#define PLATEAU_ALWAYS_INLINE [[gnu::always_inline]] inline
/// A path that a well-behaved program takes rarely: kept out of line, so that the others stay small.
#define PLATEAU_COLD [[gnu::noinline, gnu::cold]]
#define PLATEAU_NO_UNIQUE_ADDRESS [[no_unique_address]]

/// Checked in every build: what follows would breach memory safety if `condition` did not hold.
#define PLATEAU_EXPECTS(condition, sentence)                                                                           \
    (static_cast<bool>(condition) ? static_cast<void>(0) : ::plateau::detail::violation("plateau: " sentence "\n"))

PLATEAU_NAMESPACE_BEGIN
namespace detail {

/// Two cores that write to different lines do not slow each other down. 128: adjacent lines are fetched in pairs on
/// current x86-64, and lines are that long on some AArch64. A constant, so that layouts do not change with -mtune.
inline constexpr std::size_t destructive_interference = 128;

/// Writes a message to the standard error stream (or calls the user's handler) and terminates. No allocation, no lock.
[[noreturn]] PLATEAU_COLD inline void violation(const char* message) noexcept {
#if defined(PLATEAU_VIOLATION_HANDLER)
    PLATEAU_VIOLATION_HANDLER(message);
#else
    std::size_t size = 0;
    while (message[size] != '\0') ++size;
    // A short or failed write cannot be reported anywhere: the process ends either way.
    [[maybe_unused]] const auto written = ::write(2, message, size);
#endif
    std::terminate();
}

}
PLATEAU_NAMESPACE_END
