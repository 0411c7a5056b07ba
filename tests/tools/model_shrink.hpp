// SPDX-License-Identifier: MIT
/// From a sequence that fails to a short and simple one that still does.
#pragma once

#include "tools/model.hpp"

#include <cstddef>
#include <cstdint>
#include <utility>

namespace plateau_test {

/// Takes out commands, in halves, quarters and so on down to single ones (delta debugging: Zeller and Hildebrandt,
/// 2002), then lowers single bytes, and begins anew while that helps. `fails(bytes)` is asked `budget` times at most.
template <class Fails>
class model_shrinker {
public:
    model_shrinker(std::size_t setup_bytes, std::size_t command_bytes, Fails fails, std::size_t budget)
        : setup_bytes_(setup_bytes), command_bytes_(command_bytes), fails_(std::move(fails)), budget_(budget) {}

    /// Expects: `input` fails.
    [[nodiscard]] model_bytes shrink(model_bytes input) {
        best_ = std::move(input);
        for (bool better = true; better && budget_ != 0;) {
            better = take_out_commands();
            if (lower_bytes()) better = true;
        }
        return std::move(best_);
    }
    /// The same, when command `failing` (counted from 1) is known to be the last that matters.
    [[nodiscard]] model_bytes shrink(model_bytes input, std::uint64_t failing) {
        best_ = std::move(input);
        const std::size_t size = setup_bytes_ + static_cast<std::size_t>(failing) * command_bytes_;
        if (failing != 0 && size < best_.size()) try_instead(part(0, size));
        return shrink(std::move(best_));
    }
    [[nodiscard]] std::size_t budget() const noexcept { return budget_; }

private:
    [[nodiscard]] model_bytes part(std::size_t begin, std::size_t end) const {
        return {best_.data() + begin, best_.data() + end};
    }
    [[nodiscard]] std::size_t commands() const {
        return best_.size() <= setup_bytes_ ? 0 : (best_.size() - setup_bytes_ + command_bytes_ - 1) / command_bytes_;
    }

    bool try_instead(model_bytes candidate) {
        if (budget_ == 0 || candidate == best_) return false;
        --budget_;
        if (!fails_(candidate)) return false;
        best_ = std::move(candidate);
        return true;
    }

    bool take_out_commands() {
        bool better = false;
        for (std::size_t width = commands(); width != 0; width /= 2) {
            for (std::size_t end = commands(); end != 0;) {  // from the end: what came last is often needed least
                const std::size_t begin = end > width ? end - width : 0;
                if (try_instead(without(begin, end))) better = true;
                end = begin;
            }
        }
        return better;
    }
    [[nodiscard]] model_bytes without(std::size_t begin, std::size_t end) const {
        model_bytes fewer = part(0, setup_bytes_ + begin * command_bytes_);
        const std::size_t rest = setup_bytes_ + end * command_bytes_;
        if (rest < best_.size()) fewer.insert(fewer.end(), best_.data() + rest, best_.data() + best_.size());
        return fewer;
    }

    bool lower_bytes() {
        bool better = false;
        for (std::size_t i = 0; i < best_.size(); ++i) {
            for (const int bits : {0x00, 0x07, 0x0f, 0x1f, 0x3f, 0x7f})
                if (best_[i] != 0 && try_instead(with(i, best_[i] & bits))) better = true;
            for (const int step : {16, 4, 1})
                while (best_[i] >= step && try_instead(with(i, best_[i] - step))) better = true;
        }
        return better;
    }
    [[nodiscard]] model_bytes with(std::size_t place, int byte) const {
        model_bytes changed = best_;
        changed[place] = static_cast<std::uint8_t>(byte);
        return changed;
    }

    std::size_t setup_bytes_;
    std::size_t command_bytes_;
    Fails fails_;
    std::size_t budget_;
    model_bytes best_;
};

}  // namespace plateau_test
