// SPDX-License-Identifier: MIT
/// Models: a subject and its oracle take the same commands, and are compared after each.
///
/// A sequence of commands is a string of bytes, and every string of bytes is a sequence: `setup_bytes` that choose how
/// the two are made, then commands of `command_bytes` each; what is missing at the end counts as zeros. So random
/// sequences, committed inputs, those of a fuzzer and shrunk replays are one format, and a byte that is taken out
/// leaves a sequence. Zeros say the simplest thing: the shrinker goes towards them.
///
/// A model is a type with
///     static constexpr std::string_view name, room;             // tests/corpus/<room>/<name>
///     static constexpr std::size_t setup_bytes, command_bytes;
///     static void run(byte_view input, model_check&);           // play_commands does the most of it
///     static std::string describe_setup(byte_view setup);
///     static std::string describe(byte_view setup, byte_view command);
///     static model_bytes generate(random_source&, std::size_t commands);
///     static void prepare();                                    // if it has one: once, before the first run
/// `run` is deterministic: what it compares depends on the bytes alone.
#pragma once

#include "tools/random.hpp"

#include <algorithm>
#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace plateau_test {

using model_bytes = std::vector<std::uint8_t>;
using byte_view = std::span<const std::uint8_t>;

/// How far a run has come, in memory that outlives it: a process that ends in the midst of a command leaves it behind.
struct model_progress {
    std::uint64_t sequence = 0;  ///< which of several
    std::uint64_t steps = 0;     ///< commands checked, of all sequences
    std::uint64_t step = 0;      ///< commands begun, of this one
    bool failed = false;
    char why[512] = {};
};

/// What a subject and its oracle are compared with: notes the first difference and makes no text before there is one.
class model_check {
public:
    explicit model_check(model_progress& progress) noexcept : progress_(progress) {
        progress_.step = 0;
        progress_.failed = false;
    }

    void expect(bool holds, const char* sentence) {
        if (!holds) [[unlikely]]
            fail(sentence);
    }
    template <class Subject, class Oracle>
    void equal(const Subject& subject, const Oracle& oracle, const char* what) {
        if (subject == oracle) [[likely]]
            return;
        fail(std::string(what) + " is " + show(subject) + ", and should be " + show(oracle));
    }
    /// The first failure stays.
    void fail(std::string_view why) {
        if (progress_.failed) return;
        progress_.failed = true;
        const std::size_t size = std::min(why.size(), sizeof progress_.why - 1);
        std::copy_n(why.data(), size, progress_.why);
        progress_.why[size] = '\0';
    }
    [[nodiscard]] bool failed() const noexcept { return progress_.failed; }
    [[nodiscard]] std::string_view why() const noexcept { return progress_.why; }

    void begin_step() noexcept { ++progress_.step; }
    void end_step() noexcept { ++progress_.steps; }
    /// Commands begun in this sequence.
    [[nodiscard]] std::uint64_t step() const noexcept { return progress_.step; }

private:
    template <class T>
    static std::string show(const T& value) {
        if constexpr (std::is_same_v<T, bool>) return value ? "true" : "false";
        else if constexpr (std::is_enum_v<T>) return std::to_string(static_cast<long long>(value));
        else if constexpr (std::is_arithmetic_v<T>) return std::to_string(value);
        else if constexpr (std::is_convertible_v<const T&, std::string_view>)
            return '"' + std::string(std::string_view(value)) + '"';
        else return "something else";
    }

    model_progress& progress_;
};

template <class M>
concept model = requires(byte_view bytes, model_check& check, random_source& random) {
    { M::name } -> std::convertible_to<std::string_view>;
    { M::room } -> std::convertible_to<std::string_view>;
    requires M::command_bytes >
    0 && M::setup_bytes < SIZE_MAX;
    M::run(bytes, check);
    { M::describe_setup(bytes) } -> std::convertible_to<std::string>;
    { M::describe(bytes, bytes) } -> std::convertible_to<std::string>;
    { M::generate(random, std::size_t{}) } -> std::same_as<model_bytes>;
};

/// The `Size` bytes that stand at `at`, zeros where there are none.
template <std::size_t Size>
[[nodiscard]] std::array<std::uint8_t, Size> bytes_at(byte_view input, std::size_t at) {
    std::array<std::uint8_t, Size> taken{};
    if (at < input.size()) std::copy_n(input.data() + at, std::min(Size, input.size() - at), taken.begin());
    return taken;
}
template <model M>
[[nodiscard]] auto setup_of(byte_view input) {
    return bytes_at<M::setup_bytes>(input, 0);
}
template <model M>
[[nodiscard]] auto command_at(byte_view input, std::size_t index) {
    return bytes_at<M::command_bytes>(input, M::setup_bytes + index * M::command_bytes);
}
template <model M>
[[nodiscard]] std::size_t command_count(byte_view input) {
    const std::size_t size = input.size() < M::setup_bytes ? 0 : input.size() - M::setup_bytes;
    return (size + M::command_bytes - 1) / M::command_bytes;
}

/// Calls `step(command)` for one command after the other, until one fails. What fails later fails at the end, which is
/// one step more.
template <model M, class Step>
void play_commands(byte_view input, model_check& check, Step step) {
    const std::size_t count = command_count<M>(input);
    for (std::size_t i = 0; i < count; ++i) {
        check.begin_step();
        const auto command = command_at<M>(input, i);
        step(byte_view(command));
        if (check.failed()) return;
        check.end_step();
    }
    check.begin_step();
}

/// Here, in this process: what ends the process ends it. What is thrown is a failure.
template <model M>
void run_model(byte_view input, model_progress& progress) {
    model_check check(progress);
    try {
        M::run(input, check);
    } catch (const std::exception& thrown) {
        check.fail(std::string("thrown, where nothing should be: ") + thrown.what());
    }
}

/// The commands as a reader wants them, `failing` (counted from 1) with an arrow before it.
template <model M>
[[nodiscard]] std::string list_commands(byte_view input, std::uint64_t failing) {
    const auto setup = setup_of<M>(input);
    std::string text = "    " + M::describe_setup(setup) + '\n';
    for (std::size_t i = 0; i < command_count<M>(input); ++i) {
        const auto command = command_at<M>(input, i);
        text += (i + 1 == failing ? " -> " : "    ") + std::to_string(i + 1) + ' ' + M::describe(setup, command) + '\n';
    }
    if (failing > command_count<M>(input)) text += " -> the end\n";
    return text;
}

}  // namespace plateau_test
