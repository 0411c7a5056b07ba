// SPDX-License-Identifier: MIT
/// Whole runs of a model, for one assertion each: random sequences, the committed ones, or the one that was asked for.
#pragma once

#include "tools/model.hpp"
#include "tools/model_apart.hpp"
#include "tools/model_replay.hpp"
#include "tools/model_shrink.hpp"
#include "tools/random.hpp"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace plateau_test {

/// What a run came to. A test asserts on `passed` with `text` as its INFO, and counts the rest.
struct model_report {
    bool passed = true;
    std::string text;
    std::uint64_t sequences = 0;
    std::uint64_t operations = 0;
    model_bytes shrunk;  ///< when it failed
};

/// Sanitizers at -O0 cost about two hundred times: what a run without them does is divided by this.
#if !defined(__OPTIMIZE__) || defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr std::uint64_t model_slowness = 32;
#elif defined(__has_feature)
#    if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
inline constexpr std::uint64_t model_slowness = 32;
#    else
inline constexpr std::uint64_t model_slowness = 1;
#    endif
#else
inline constexpr std::uint64_t model_slowness = 1;
#endif

namespace model_detail {

constexpr std::size_t shrink_budget = 6'000;

template <model M>
void tell_failure(model_report& report, const std::string& where, model_bytes input) {
    report.passed = false;
    const apart_result first = run_model_apart<M>(input);
    if (!first.failed()) {
        report.text +=
            where + " failed, and passes alone: something outside its bytes decides.\n" + replay_lines<M>(input);
        report.shrunk = std::move(input);
        return;
    }
    const auto fails = [](const model_bytes& candidate) { return run_model_apart<M>(candidate).failed(); };
    model_shrinker shrinker(M::setup_bytes, M::command_bytes, fails, shrink_budget);
    report.shrunk = shrinker.shrink(std::move(input), first.progress.step);
    const apart_result last = run_model_apart<M>(report.shrunk);
    report.text += where + " fails; shrunk to " + std::to_string(command_count<M>(report.shrunk)) + " commands:\n" +
                   list_commands<M>(report.shrunk, last.progress.step) + "    " + last.why + "\n" +
                   replay_lines<M>(report.shrunk);
}

/// Returns: true when a replay was asked for, of this model or of another; then nothing else runs.
template <model M>
bool replayed(model_report& report) {
    const auto asked = asked_replay();
    if (!asked) return false;
    if (asked->model != M::name) return true;
    const apart_result result = run_model_apart<M>(asked->input);
    report.sequences = 1;
    report.operations = result.progress.steps;
    if (result.failed()) tell_failure<M>(report, "the replay", asked->input);
    else
        std::fprintf(stderr, "%s: the replay passes:\n%s", std::string(M::name).c_str(),
                     list_commands<M>(asked->input, 0).c_str());
    return true;
}

}  // namespace model_detail

/// Sequence `index` of the run with that seed.
template <model M>
[[nodiscard]] model_bytes random_sequence(std::uint64_t seed, std::uint64_t index, std::size_t commands) {
    random_source random(M::name, seed ^ (index * 0x9e37'79b9'7f4a'7c15U));
    return M::generate(random, 1 + random.below(2 * commands));
}

/// `sequences` random sequences of `commands` commands on average.
template <model M>
[[nodiscard]] model_report run_random(std::uint64_t sequences, std::size_t commands, std::uint64_t seed = run_seed()) {
    model_report report;
    if (model_detail::replayed<M>(report)) return report;
    const auto input_of = [=](std::uint64_t index) { return random_sequence<M>(seed, index, commands); };
    const apart_result result = run_models_apart<M>(sequences, input_of);
    report.sequences = result.progress.sequence + (result.failed() ? 1 : 0);
    report.operations = result.progress.steps;
    if (!result.failed()) return report;
    report.text = "PLATEAU_TEST_SEED=" + std::to_string(seed) + ": " + result.why + '\n';
    model_detail::tell_failure<M>(report, "sequence " + std::to_string(result.progress.sequence),
                                  input_of(result.progress.sequence));
    return report;
}

/// Every file of a folder; a failure names its file.
template <model M>
[[nodiscard]] model_report run_corpus(const std::filesystem::path& folder) {
    model_report report;
    if (model_detail::replayed<M>(report)) return report;
    const auto files = corpus_files(folder);
    std::vector<model_bytes> inputs;
    for (const auto& file : files) inputs.push_back(read_bytes(file.string()).value_or(model_bytes{}));
    const auto input_of = [&](std::uint64_t index) -> const model_bytes& { return inputs[index]; };
    const apart_result result = run_models_apart<M>(inputs.size(), input_of);
    report.sequences = result.progress.sequence + (result.failed() ? 1 : 0);
    report.operations = result.progress.steps;
    if (!result.failed()) return report;
    const auto index = static_cast<std::size_t>(result.progress.sequence);
    report.text = files[index].string() + ": " + result.why + '\n';
    model_detail::tell_failure<M>(report, files[index].filename().string(), inputs[index]);
    return report;
}

}  // namespace plateau_test
