// SPDX-License-Identifier: MIT
/// The ledger and the containers that it pays for, beside books kept by hand.
#pragma once

#include "tools/model.hpp"
#include "tools/random.hpp"

#include <plateau/watch/counted_allocator.hpp>
#include <plateau/watch/ledger.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <new>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace plateau_test {

/// After every command each account holds what was charged by hand and what its containers have capacity for; peaks,
/// refusals, sums and snapshots are those of the books.
class ledger_pair {
    using numbers = std::vector<std::uint64_t, plateau::counted_allocator<std::uint64_t, plateau::ledger_policies>>;
    static constexpr std::size_t max = std::numeric_limits<std::size_t>::max();

    struct account {
        std::string name;
        std::size_t max_bytes;
        std::size_t by_hand = 0;
        std::size_t bytes = 0;
        std::size_t peak = 0;
        std::uint64_t refused = 0;
    };
    struct holder {
        std::optional<numbers> items;
        std::size_t pays = 0;  ///< which account
    };
    struct picture {
        plateau::ledger_snapshot taken;
        std::vector<std::pair<std::string, std::size_t>> rows;
    };

public:
    ledger_pair(byte_view setup, model_check& check)
        : check_(check), capacity_(capacity_of(setup)), ledger_({.max_accounts = capacity_}) {
        accounts_.push_back({"other", max});
        handles_.push_back(ledger_.open("other"));
    }

    static std::size_t capacity_of(byte_view setup) {
        constexpr std::size_t capacities[] = {2, 1, 3, 5, 64};
        return capacities[setup[0] % std::size(capacities)];
    }
    static std::size_t amount(byte_view command) {
        constexpr std::size_t table[] = {1,
                                         0,
                                         8,
                                         100,
                                         1'000,
                                         (std::size_t{1} << 31) - 1,
                                         std::size_t{1} << 31,
                                         (std::size_t{1} << 31) + 1,
                                         (std::size_t{1} << 32) - 1,
                                         (std::size_t{1} << 32) + 1,
                                         max / 2,
                                         max / 2 + 1,
                                         max - 1,
                                         max};
        return command[3] < 128 ? command[3] : table[command[3] % std::size(table)];
    }
    /// Names that fit, the longest that does, and two that do not.
    static std::string name_of(std::uint8_t byte) {
        switch (byte % 16) {
        case 13:
            return "other";
        case 14:
            return std::string(63, static_cast<char>(byte));
        case 15:
            return byte < 128 ? std::string() : std::string(64, 'x');
        default:
            return std::string(1, static_cast<char>('a' + byte % 16));
        }
    }

    void step(byte_view command) {
        const std::size_t which = command[1] % accounts_.size();
        holder& own = holders_[command[2] % holders_.size()];
        holder& other = holders_[(command[2] >> 4U) % holders_.size()];
        switch (command[0] % 16) {
        case 0:
        case 1:
            try_charge(which, amount(command));
            break;
        case 2:
            charge(which, amount(command));
            break;
        case 3:
        case 4:
            refund(which, command[3]);
            break;
        case 5:
        case 6:
            open(command);
            break;
        case 7:
        case 8:
            own.items.reset();
            own.items.emplace(handles_[which]);
            own.pays = which;
            break;
        case 9:
        case 10:
            reserve(own, command[3] < 250 ? command[3] : max / 8 + command[3] - 252U);
            break;
        case 11:
            if (&own != &other && other.items) copy(own, other);
            break;
        case 12:
            if (own.items && other.items && &own != &other) assign(own, other);
            break;
        case 13:
            if (own.items && other.items && &own != &other) move(own, other);
            break;
        case 14:
            own.items.reset();
            break;
        default:
            take_picture(command);
            break;
        }
        compare();
    }

    void finish() {
        for (holder& one : holders_) one.items.reset();
        for (std::size_t i = 0; i < accounts_.size(); ++i) {
            handles_[i].refund(accounts_[i].by_hand);
            check_.equal(handles_[i].bytes(), 0U, "what an account holds in the end");
        }
    }

    static std::string describe(byte_view command) {
        constexpr const char* verbs[] = {"try_charge", "try_charge", "charge",    "refund",  "refund",  "open",
                                         "open",       "container",  "container", "reserve", "reserve", "copy",
                                         "assign",     "move",       "destroy",   "picture"};
        return std::string(verbs[command[0] % 16]) + ": account " + std::to_string(command[1]) + ", name \"" +
               name_of(command[2]) + "\", holders " + std::to_string(command[2] % 4) + " and " +
               std::to_string((command[2] >> 4U) % 4) + ", amount " + std::to_string(amount(command));
    }

private:
    /// Returns: whether that many bytes were found in the budget.
    bool take(account& from, std::size_t bytes) {
        if (bytes > from.max_bytes || from.bytes > from.max_bytes - bytes) {
            ++from.refused;
            return false;
        }
        from.bytes += bytes;
        from.peak = std::max(from.peak, from.bytes);
        return true;
    }

    void try_charge(std::size_t which, std::size_t bytes) {
        const auto result = handles_[which].try_charge(bytes);
        const bool expected = take(accounts_[which], bytes);
        if (expected) accounts_[which].by_hand += bytes;
        check_.equal(static_cast<bool>(result), expected, "try_charge");
        if (!result) check_.equal(result.reason(), plateau::charge_reason::over_budget, "the reason of a try_charge");
    }
    /// Past the last address is a violation, which is not what is asked for here.
    void charge(std::size_t which, std::size_t bytes) {
        account& to = accounts_[which];
        if (bytes > max - to.bytes) return;
        handles_[which].charge(bytes);
        to.bytes += bytes;
        to.by_hand += bytes;
        to.peak = std::max(to.peak, to.bytes);
    }
    void refund(std::size_t which, std::uint8_t part) {
        account& to = accounts_[which];
        const std::size_t bytes = part >= 128 ? to.by_hand : to.by_hand / 128 * part;
        handles_[which].refund(bytes);
        to.bytes -= bytes;
        to.by_hand -= bytes;
    }

    void open(byte_view command) {
        constexpr std::size_t budgets[] = {max, max, 100, 2'000, 1, 0, max - 1, max / 2};
        const std::string name = name_of(command[2]);
        const std::size_t budget = budgets[command[3] % std::size(budgets)];
        std::optional<plateau::account> opened;
        try {
            opened = ledger_.open(name, {.max_bytes = budget});
        } catch (const std::invalid_argument&) {}
        check_.equal(opened.has_value(), !name.empty() && name.size() <= 63 && budget >= 1, "whether a name is opened");
        if (!opened) return;
        const auto known =
            std::find_if(accounts_.begin(), accounts_.end(), [&](const account& one) { return one.name == name; });
        const auto index = static_cast<std::size_t>(known - accounts_.begin());
        if (known != accounts_.end()) {
            check_.expect(*opened == handles_[index], "a known name is answered with its account");
        } else if (accounts_.size() == capacity_ + 1) {
            ++shared_opens_;
            check_.expect(*opened == handles_[0], "past the last account there is the shared one");
        } else {
            accounts_.push_back({name, budget});
            handles_.push_back(*opened);
            check_.expect(std::find(handles_.begin(), handles_.end() - 1, *opened) == handles_.end() - 1,
                          "a new name is answered with a new account");
        }
    }

    // ---- containers

    static std::size_t held_by(const holder& one) { return one.items->capacity() * sizeof(std::uint64_t); }

    void reserve(holder& of, std::size_t count) {
        if (!of.items) return;
        account& payer = accounts_[of.pays];
        const std::size_t before = held_by(of);
        bool refused = false;
        try {
            of.items->reserve(count);
            of.items->resize(count);
        } catch (const std::bad_alloc&) {
            refused = true;
        } catch (const std::length_error&) {  // more than any vector has
            return;
        }
        if (count * sizeof(std::uint64_t) <= before) return check_.expect(!refused, "what fits is not refused");
        const bool expected = take(payer, count * sizeof(std::uint64_t));
        check_.equal(refused, !expected, "whether a container is refused");
        if (expected) payer.bytes -= before;  // the old items stood beside the new ones
        else check_.equal(held_by(of), before, "what a refused container holds");
    }
    /// A copy made anew charges its source's account.
    void copy(holder& to, const holder& from) {
        drop(to);
        to.pays = from.pays;
        const std::size_t bytes = from.items->size() * sizeof(std::uint64_t);
        bool refused = false;
        try {
            to.items.emplace(*from.items);
        } catch (const std::bad_alloc&) {
            refused = true;
        }
        check_.equal(refused, bytes != 0 && !take(accounts_[to.pays], bytes), "whether a copy is refused");
    }
    /// Copying into an existing container charges that container's account. Whether the old items stand beside the new
    /// ones is the container's choice: the peak is followed between the two.
    void assign(holder& to, const holder& from) {
        account& payer = accounts_[to.pays];
        const std::size_t before = held_by(to);
        const std::size_t most = payer.bytes > max - held_by(from) ? max : payer.bytes + held_by(from);
        try {
            *to.items = *from.items;
        } catch (const std::bad_alloc&) {
            check_.expect(held_by(from) > payer.max_bytes || payer.bytes > payer.max_bytes - held_by(from),
                          "an assignment that fits is not refused");
            ++payer.refused;
            payer.bytes = payer.bytes - before + held_by(to);
            return;
        }
        payer.bytes = payer.bytes - before + held_by(to);
        const std::size_t peak = handles_[to.pays].stats().peak_bytes;
        check_.expect(peak >= std::max(payer.peak, payer.bytes) && peak <= std::max(payer.peak, most),
                      "the peak of an assignment");
        payer.peak = peak;
        check_.expect(*to.items == *from.items, "an assignment copies");
    }
    /// The memory stays on the account that paid for it.
    void move(holder& to, holder& from) {
        drop(to);
        to.items.emplace(handles_[to.pays]);
        *to.items = std::move(*from.items);
        to.pays = from.pays;
        from.items.reset();
    }
    void drop(holder& of) {
        if (!of.items) return;
        accounts_[of.pays].bytes -= held_by(of);
        of.items.reset();
    }

    // ---- read-outs

    void take_picture(byte_view command) {
        picture& into = pictures_[command[2] % pictures_.size()];
        into.taken = ledger_.snapshot();
        into.rows.clear();
        for (const account& one : accounts_) into.rows.emplace_back(one.name, one.bytes);
        check_.equal(into.taken.rows().size(), into.rows.size(), "the rows of a snapshot");
        for (std::size_t i = 0; i < into.rows.size() && !check_.failed(); ++i)
            check_.expect(into.taken.rows()[i].name() == into.rows[i].first &&
                              into.taken.rows()[i].bytes() == into.rows[i].second,
                          "a row of a snapshot is an account");
        compare_pictures(pictures_[0], pictures_[1]);
        compare_pictures(pictures_[1], pictures_[0]);
    }
    static std::size_t bytes_in(const picture& in, std::string_view name) {
        for (const auto& row : in.rows)
            if (row.first == name) return row.second;
        return 0;
    }
    void compare_pictures(const picture& before, const picture& after) {
        const auto changes = plateau::diff(before.taken, after.taken);
        check_.equal(changes.rows().size(), std::max(before.rows.size(), after.rows.size()), "the rows of a diff");
        std::int64_t last = std::numeric_limits<std::int64_t>::max();
        for (const auto& row : changes.rows()) {
            const std::size_t then = bytes_in(before, row.name());
            const std::size_t now = bytes_in(after, row.name());
            check_.expect(row.before() == then && row.after() == now, "a row of a diff is two rows of the snapshots");
            __extension__ using wide = __int128;
            const wide growth = std::clamp<wide>(wide{now} - wide{then}, -std::numeric_limits<std::int64_t>::max(),
                                                 std::numeric_limits<std::int64_t>::max());
            check_.expect(wide{row.growth()} == growth && row.growth() <= last, "who grew most comes first");
            last = row.growth();
        }
    }

    void compare() {
        // What a container's end gives back is not told by any answer: the books count it from what is left.
        for (account& one : accounts_) one.bytes = one.by_hand;
        for (const holder& one : holders_)
            if (one.items) accounts_[one.pays].bytes += held_by(one);
        std::size_t sum = 0;
        std::uint64_t refused = 0;
        for (std::size_t i = 0; i < accounts_.size(); ++i) {
            const account& one = accounts_[i];
            const plateau::account_stats stats = handles_[i].stats();
            check_.equal(stats.bytes, one.bytes, "what an account holds");
            check_.equal(stats.peak_bytes, one.peak, "the peak of an account");
            check_.equal(stats.refused, one.refused, "how often an account refused");
            check_.equal(stats.max_bytes, one.max_bytes, "the budget of an account");
            check_.equal(handles_[i].name(), std::string_view(one.name), "the name of an account");
            sum = sum > max - one.bytes ? max : sum + one.bytes;
            refused += one.refused;
        }
        const plateau::ledger_stats stats = ledger_.stats();
        check_.equal(stats.bytes, sum, "what all accounts hold");
        check_.equal(stats.refused, refused, "how often all accounts refused");
        check_.equal(stats.accounts, accounts_.size() - 1, "the number of accounts");
        check_.equal(stats.shared_opens, shared_opens_, "how often the shared account was opened");
        ledger_.check_invariants();
    }

    model_check& check_;
    std::size_t capacity_;
    plateau::ledger ledger_;
    std::vector<account> accounts_;
    std::vector<plateau::account> handles_;
    std::array<holder, 4> holders_;
    std::array<picture, 2> pictures_;
    std::uint64_t shared_opens_ = 0;
};

struct ledger_model {
    static constexpr std::string_view name = "ledger";
    static constexpr std::string_view room = "watch";
    static constexpr std::size_t setup_bytes = 1;
    static constexpr std::size_t command_bytes = 4;

    static void run(byte_view input, model_check& check) {
        const auto setup = bytes_at<setup_bytes>(input, 0);
        ledger_pair pair(setup, check);
        play_commands<ledger_model>(input, check, [&](byte_view command) { pair.step(command); });
        if (!check.failed()) pair.finish();
    }
    static std::string describe_setup(byte_view setup) {
        return "max_accounts " + std::to_string(ledger_pair::capacity_of(setup));
    }
    static std::string describe(byte_view, byte_view command) { return ledger_pair::describe(command); }
    static model_bytes generate(random_source& random, std::size_t commands) {
        model_bytes bytes(setup_bytes + commands * command_bytes);
        for (auto& byte : bytes) byte = static_cast<std::uint8_t>(random.next());
        return bytes;
    }
};

}  // namespace plateau_test
