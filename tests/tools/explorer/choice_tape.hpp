// SPDX-License-Identifier: MIT
/// The choices of one execution, in the order in which they are met, and the step to the next execution in depth-first
/// order. A choice with one way left is not on the tape.
#pragma once

#include <charconv>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace plateau_test::explorer {

class choice_tape {
public:
    /// Effects: the next execution begins; it takes the choices that are on the tape, and then the first way each time.
    void rewind() noexcept {
        at_ = 0;
        fits_ = true;
    }

    /// Returns: which of `ways` to take here. `mark` tells where that is: where the tape was recorded with other ways
    /// or another mark, fits() is false from now on.
    unsigned choose(unsigned ways, std::uint32_t mark) {
        if (at_ == choices_.size()) choices_.push_back({0, ways, mark});
        choice& here = choices_[at_++];
        if (here.ways == unknown && here.taken < ways) here = {here.taken, ways, mark};
        if (here.ways == ways && here.mark == mark) [[likely]]
            return here.taken;
        fits_ = false;
        return 0;
    }
    [[nodiscard]] bool fits() const noexcept { return fits_; }

    /// Effects: the last choice that has another way takes it, those after it are forgotten.
    /// Returns: false when there is none: every execution was seen.
    bool advance() noexcept {
        choices_.resize(at_, {});
        while (!choices_.empty() && choices_.back().taken + 1 == choices_.back().ways) choices_.pop_back();
        if (choices_.empty()) return false;
        ++choices_.back().taken;
        return true;
    }

    void clear() noexcept { choices_.clear(); }

    /// `12.1,30.2/9f3c`: choice 12 took way 1, choice 30 took way 2, all others way 0; then a sum of the ways and
    /// marks. All that was met since the last rewind.
    [[nodiscard]] std::string text() const {
        std::string words;
        std::uint32_t sum = 0x811c'9dc5U;
        for (std::size_t i = 0; i < at_; ++i) {
            for (const std::uint32_t part : {choices_[i].ways, choices_[i].mark}) sum = (sum ^ part) * 0x0100'0193U;
            if (choices_[i].taken == 0) continue;
            if (!words.empty()) words += ',';
            words += std::to_string(i) + '.' + std::to_string(choices_[i].taken);
        }
        if (words.empty()) words = "-";
        words += '/';
        for (unsigned shift = 16; shift != 0; shift -= 4)
            words += "0123456789abcdef"[((sum ^ (sum >> 16U)) >> (shift - 4)) & 0xfU];
        return words;
    }

    /// Effects: takes the choices that text() wrote. Returns: false if it is no such text.
    bool parse(std::string_view words) {
        choices_.clear();
        const std::size_t slash = words.find('/');
        if (slash == std::string_view::npos) return false;
        words = words.substr(0, slash);
        if (words == "-") return true;
        while (!words.empty()) {
            std::size_t at = 0;
            unsigned taken = 0;
            if (!number(words, at) || !skip(words, '.') || !number(words, taken)) return false;
            if (at < choices_.size() || at > most_choices || taken == 0) return false;
            choices_.resize(at, {});
            choices_.push_back({taken, unknown, 0});
            if (!words.empty() && !skip(words, ',')) return false;
        }
        return true;
    }
    /// False while choices that parse() read have not been met.
    [[nodiscard]] bool used_up() const noexcept { return at_ >= choices_.size(); }

private:
    static constexpr unsigned unknown = 0;
    static constexpr std::size_t most_choices = 1'000'000;
    struct choice {
        std::uint32_t taken = 0;
        std::uint32_t ways = unknown;
        std::uint32_t mark = 0;
    };

    template <class Number>
    static bool number(std::string_view& words, Number& n) {
        const auto [end, error] = std::from_chars(words.data(), words.data() + words.size(), n);
        if (error != std::errc{}) return false;
        words.remove_prefix(static_cast<std::size_t>(end - words.data()));
        return true;
    }
    static bool skip(std::string_view& words, char c) {
        if (words.empty() || words.front() != c) return false;
        words.remove_prefix(1);
        return true;
    }

    std::vector<choice> choices_;
    std::size_t at_ = 0;
    bool fits_ = true;
};

}  // namespace plateau_test::explorer
