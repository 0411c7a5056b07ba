// SPDX-License-Identifier: MIT
/// A model as the target of libFuzzer. A difference, and what terminates (a broken invariant), is shrunk and printed as
/// a replay before the process is given to libFuzzer, which keeps the input. What a sanitizer reports ends the process
/// at once: the tests shrink the file that is left, by PLATEAU_MODEL_REPLAY=<model>:@<file>.
#pragma once

#include "tools/model.hpp"
#include "tools/model_apart.hpp"
#include "tools/model_run.hpp"

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>

namespace plateau_test {

namespace model_detail {

/// The input that runs now; none while it is being shrunk.
struct fuzzed_input {
    inline static const std::uint8_t* data = nullptr;
    inline static std::size_t size = 0;
};

template <model M>
[[noreturn]] void give_up() noexcept {
    if (fuzzed_input::data != nullptr) {
        model_report report;
        const model_bytes input(fuzzed_input::data, fuzzed_input::data + fuzzed_input::size);
        fuzzed_input::data = nullptr;  // the children that shrink it just end
        tell_failure<M>(report, "the input", input);
        std::fputs(report.text.c_str(), stderr);
    }
    std::abort();
}

}  // namespace model_detail

template <model M>
int fuzz_model(const std::uint8_t* data, std::size_t size) {
    static const bool ready = [] {
        std::set_terminate(&model_detail::give_up<M>);
        prepare_model<M>();
        return true;
    }();
    static_cast<void>(ready);
    model_detail::fuzzed_input::data = data;
    model_detail::fuzzed_input::size = size;
    model_progress progress;
    run_model<M>({data, size}, progress);
    if (progress.failed) model_detail::give_up<M>();
    return 0;
}

}  // namespace plateau_test
