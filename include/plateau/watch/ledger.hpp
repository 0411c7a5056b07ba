// SPDX-License-Identifier: MIT
#pragma once

#include <plateau/charge.hpp>
#include <plateau/config.hpp>
#include <plateau/describe.hpp>
#include <plateau/detail/checked.hpp>
#include <plateau/detail/contract.hpp>
#include <plateau/fwd.hpp>
#include <plateau/result.hpp>
#include <plateau/sync.hpp>
#include <plateau/watch/short_name.hpp>
#include <plateau/watch/text_sink.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string_view>
#include <vector>

PLATEAU_NAMESPACE_BEGIN

struct ledger_options {
    std::size_t max_accounts = 64;  ///< 1 to 65'536; the shared account `other` is one more
};

struct account_options {
    std::size_t max_bytes = unlimited;  ///< at least 1
};

/// What carries the atomics and the mutex of a ledger.
struct ledger_policies {
    using sync = default_sync;
};

enum class charge_reason : unsigned char { none, over_budget };

[[nodiscard]] constexpr std::string_view to_string(charge_reason reason) noexcept {
    switch (reason) {
    case charge_reason::none:
        return "none";
    case charge_reason::over_budget:
        return "over_budget";
    }
    return "unknown";
}

struct account_stats {
    std::uint64_t bytes = 0;
    std::uint64_t peak_bytes = 0;
    std::uint64_t max_bytes = 0;
    std::uint64_t refused = 0;

    static constexpr std::string_view family = "account";
    template <class F>
    void visit_fields(F&& f) const {
        f(field_info{"live", "bytes", "Bytes charged and not yet refunded.", field_kind::gauge}, bytes);
        f(field_info{"peak", "bytes", "The most bytes charged at any moment.", field_kind::gauge}, peak_bytes);
        f(field_info{"refused", "", "Charges refused because they did not fit the budget.", field_kind::counter},
          refused);
    }
};

struct ledger_stats {
    std::uint64_t bytes = 0;
    std::uint64_t accounts = 0;
    std::uint64_t shared_opens = 0;
    std::uint64_t refused = 0;

    static constexpr std::string_view family = "ledger";
    template <class F>
    void visit_fields(F&& f) const {
        f(field_info{"live", "bytes", "Bytes charged to all accounts and not yet refunded.", field_kind::gauge}, bytes);
        f(field_info{"accounts", "", "Accounts with a name of their own.", field_kind::gauge}, accounts);
        f(field_info{"shared_opens", "", "Times a name found no free account and was answered with other.",
                     field_kind::counter},
          shared_opens);
        f(field_info{"refused", "", "Charges refused because they did not fit a budget.", field_kind::counter},
          refused);
    }
};

namespace detail {

/// One account: alone on its lines, so that two components that charge at the same time do not slow each other down.
template <class Sync>
struct alignas(destructive_interference) account_entry {
    typename Sync::template atomic<std::size_t> bytes{0};
    typename Sync::template atomic<std::size_t> peak{0};
    typename Sync::template atomic<std::uint64_t> refused{0};
    std::size_t max_bytes = unlimited;  // this and the name: written before the entry is published, then constant
    short_name name;

    /// The one place where bytes are added: exact, because the sum is checked and changed in one exchange. Relaxed
    /// throughout: the count guards no other memory.
    [[nodiscard]] bool add(std::size_t more, std::size_t bound) noexcept {
        std::size_t seen = bytes.load(std::memory_order_relaxed);
        do {
            if (more > bound || seen > bound - more) return false;
        } while (!bytes.compare_exchange_weak(seen, seen + more, std::memory_order_relaxed, std::memory_order_relaxed));
        raise_peak(seen + more);
        return true;
    }

    void raise_peak(std::size_t reached) noexcept {
        std::size_t highest = peak.load(std::memory_order_relaxed);
        while (highest < reached &&
               !peak.compare_exchange_weak(highest, reached, std::memory_order_relaxed, std::memory_order_relaxed)) {}
    }
};

}

/// An account of a ledger: a handle of one word, to be copied freely. Satisfies `charge`.
///
/// Lifetime       the ledger outlives every handle and everything that is charged through one.
/// Misuse         refunding more than is charged, or charging past SIZE_MAX, is a violation.
/// Throws         nothing. Complexity: O(1), no allocation. Blocks: never. Thread safety: any thread.
template <class Policies>
class basic_account {
public:
    using options = account_options;

    /// Takes `n` bytes from the budget, or nothing: at no moment do charges made in this way exceed `max_bytes`.
    [[nodiscard]] result<void, charge_reason> try_charge(std::size_t n) const noexcept {
        if (entry_->add(n, entry_->max_bytes)) return {};
        entry_->refused.fetch_add(1, std::memory_order_relaxed);
        return charge_reason::over_budget;
    }

    /// Counts `n` bytes that exist already, whatever the budget says; while it is exceeded, `try_charge` refuses.
    void charge(std::size_t n) const noexcept {
        PLATEAU_EXPECTS(entry_->add(n, SIZE_MAX), "an account counts more bytes than there are addresses");
    }

    void refund(std::size_t n) const noexcept {
        const std::size_t before = entry_->bytes.fetch_sub(n, std::memory_order_relaxed);
        PLATEAU_EXPECTS(n <= before, "an account is refunded more bytes than were charged to it");
    }

    /// Bytes charged and not yet refunded: exact once the charging threads have synchronised with the caller.
    [[nodiscard]] std::size_t bytes() const noexcept { return entry_->bytes.load(std::memory_order_relaxed); }
    [[nodiscard]] std::size_t max_bytes() const noexcept { return entry_->max_bytes; }
    [[nodiscard]] std::string_view name() const noexcept { return entry_->name.view(); }

    [[nodiscard]] account_stats stats() const noexcept {
        return {.bytes = bytes(),
                .peak_bytes = entry_->peak.load(std::memory_order_relaxed),
                .max_bytes = entry_->max_bytes,
                .refused = entry_->refused.load(std::memory_order_relaxed)};
    }

    /// Equal: the same account of the same ledger.
    [[nodiscard]] friend bool operator==(basic_account, basic_account) noexcept = default;

private:
    template <class>
    friend class basic_ledger;
    using entry = detail::account_entry<typename Policies::sync>;

    explicit basic_account(entry& which) noexcept : entry_(&which) {}

    entry* entry_;
};

/// The bytes of every account at one moment. A value of its own: it outlives the ledger.
class ledger_snapshot {
public:
    class row {
    public:
        [[nodiscard]] std::string_view name() const noexcept PLATEAU_LIFETIMEBOUND { return name_.view(); }
        [[nodiscard]] std::size_t bytes() const noexcept { return bytes_; }

    private:
        template <class>
        friend class basic_ledger;
        friend class ledger_diff;
        row(const detail::short_name& name, std::size_t bytes) noexcept : name_(name), bytes_(bytes) {}

        detail::short_name name_;
        std::size_t bytes_;
    };

    ledger_snapshot() = default;

    /// `other` first, then in order of opening.
    [[nodiscard]] std::span<const row> rows() const& noexcept PLATEAU_LIFETIMEBOUND { return rows_; }
    std::span<const row> rows() const&& = delete;  // the rows live in this object: give it a name first

private:
    template <class>
    friend class basic_ledger;
    std::vector<row> rows_;  // max_accounts + 1 at most
};

/// What changed between two snapshots.
class ledger_diff {
public:
    class row {
    public:
        [[nodiscard]] std::string_view name() const noexcept PLATEAU_LIFETIMEBOUND { return name_.view(); }
        [[nodiscard]] std::size_t before() const noexcept { return before_; }
        [[nodiscard]] std::size_t after() const noexcept { return after_; }
        /// Bytes gained, negative for bytes lost; saturates at the ends of std::int64_t.
        [[nodiscard]] std::int64_t growth() const noexcept {
            const std::size_t size = after_ >= before_ ? after_ - before_ : before_ - after_;
            const std::int64_t bounded = size > INT64_MAX ? INT64_MAX : static_cast<std::int64_t>(size);
            return after_ >= before_ ? bounded : -bounded;
        }

    private:
        friend class ledger_diff;
        row(const detail::short_name& name, std::size_t before, std::size_t after) noexcept
            : name_(name), before_(before), after_(after) {}

        detail::short_name name_;
        std::size_t before_;
        std::size_t after_;
    };

    ledger_diff() = default;

    /// Every account of either snapshot, the one that grew most first.
    [[nodiscard]] std::span<const row> rows() const& noexcept PLATEAU_LIFETIMEBOUND { return rows_; }
    std::span<const row> rows() const&& = delete;  // the rows live in this object: give it a name first

    /// Effects: writes a table of the accounts that changed, or one line that says that none did.
    template <text_sink Sink>
    void write(Sink&& sink) const {
        detail::write_text(sink, [this](detail::text_out& out) { write_to(out); });
    }

private:
    friend struct soak_report;
    friend ledger_diff diff(const ledger_snapshot& before, const ledger_snapshot& after);

    static ledger_diff between(const ledger_snapshot& before, const ledger_snapshot& after) {
        ledger_diff changes;
        changes.rows_.reserve(before.rows().size() + after.rows().size());
        for (std::size_t i = 0; i < after.rows().size(); ++i) {
            const auto& now = after.rows()[i];
            const auto* const then = find(before, now.name(), i);
            changes.rows_.push_back(row(now.name_, then != nullptr ? then->bytes() : 0, now.bytes()));
        }
        for (std::size_t i = 0; i < before.rows().size(); ++i) {
            const auto& then = before.rows()[i];
            if (find(after, then.name(), i) == nullptr) changes.rows_.push_back(row(then.name_, then.bytes(), 0));
        }
        std::stable_sort(changes.rows_.begin(), changes.rows_.end(),
                         [](const row& a, const row& b) { return a.growth() > b.growth(); });
        return changes;
    }

    /// Snapshots of one ledger hold the same account at the same place.
    static const ledger_snapshot::row* find(const ledger_snapshot& in, std::string_view name,
                                            std::size_t guess) noexcept {
        const auto rows = in.rows();
        if (guess < rows.size() && rows[guess].name() == name) return &rows[guess];
        const auto found =
            std::find_if(rows.begin(), rows.end(), [&](const auto& candidate) { return candidate.name() == name; });
        return found != rows.end() ? &*found : nullptr;
    }

    void write_to(detail::text_out& out) const {
        const auto changed = [](const row& candidate) { return candidate.growth() != 0; };
        if (std::none_of(rows_.begin(), rows_.end(), changed)) {
            out.put("no account changed\n");
            return;
        }
        out.column("account", 24).right("before", 16).right("after", 16).right("growth", 16).put("\n");
        for (const row& one : rows_) {
            if (!changed(one)) continue;
            out.column(one.name(), 24).number(one.before(), 16).number(one.after(), 16);
            out.number(one.growth(), 16).put("\n");
        }
    }

    std::vector<row> rows_;
};

/// Accounts are matched by name; one that is missing from a snapshot had 0 bytes in it.
/// Throws: std::bad_alloc. Complexity: O(a log a) for two snapshots of one ledger with a accounts.
[[nodiscard]] inline ledger_diff diff(const ledger_snapshot& before, const ledger_snapshot& after) {
    return ledger_diff::between(before, after);
}

/// The exact books of a program: how many bytes each named component holds, to the byte.
///
/// Promise   accounts have a fixed table: `max_accounts` names of their own and the shared account `other`. A name that
///           finds no free account is answered with `other`, so names taken from requests cannot make the ledger grow.
/// Books     what is charged is what a component says it holds, by `try_charge` or `counted_allocator`; the allocator's
///           own overhead is not seen. The resident set is the second witness.
///
/// I1  `bytes() <= peak` for every account at rest.
/// I2  names differ from each other.
///
/// Thread safety: any thread, construction and destruction apart.
template <class Policies>
class basic_ledger {
public:
    using options = ledger_options;
    using account_type = basic_account<Policies>;

    /// Throws: std::invalid_argument, std::bad_alloc.
    explicit basic_ledger(ledger_options chosen = {})
        : capacity_(checked(chosen).max_accounts), entries_(std::make_unique<entry[]>(capacity_ + 1)) {
        entries_[0].name = detail::short_name("other", "");
    }
    basic_ledger(const basic_ledger&) = delete;
    basic_ledger& operator=(const basic_ledger&) = delete;

    /// Effects: opens an account, or finds the one that already has this name: it keeps the budget it was opened with.
    /// Returns: the account; `other`, which has no budget, when the name is new and the table is full.
    /// Throws: std::invalid_argument: a name has 1 to 63 bytes, a budget at least 1 byte.
    /// Complexity: O(a) for a accounts. Blocks: while another thread opens a new one.
    [[nodiscard]] account_type open(std::string_view name, account_options chosen = {}) PLATEAU_LIFETIMEBOUND {
        const detail::short_name text(name, "the name of a ledger's account has 1 to 63 bytes");
        detail::require_option(chosen.max_bytes >= 1, "account_options: max_bytes is at least 1");
        if (entry* const known = find(name)) return account_type(*known);

        const std::lock_guard lock(opening_);
        if (entry* const known = find(name)) return account_type(*known);
        const std::size_t used = opened_.load(std::memory_order_relaxed);  // written under the lock only
        if (used == capacity_) {
            shared_opens_.fetch_add(1, std::memory_order_relaxed);
            return account_type(entries_[0]);
        }
        entry& fresh = entries_[used + 1];
        fresh.name = text;
        fresh.max_bytes = chosen.max_bytes;
        opened_.store(used + 1, std::memory_order_release);
#if PLATEAU_HARDENED
        check_names();
#endif
        return account_type(fresh);
    }

    /// Returns: each account as it was at some moment during the call.
    /// Throws: std::bad_alloc; nothing else here allocates.
    [[nodiscard]] ledger_snapshot snapshot() const {
        const auto all = used();
        ledger_snapshot taken;
        taken.rows_.reserve(all.size());
        for (const entry& one : all) {
            taken.rows_.push_back(ledger_snapshot::row(one.name, one.bytes.load(std::memory_order_relaxed)));
        }
        return taken;
    }

    /// Complexity: O(a) for a accounts.
    [[nodiscard]] ledger_stats stats() const noexcept {
        ledger_stats sum;
        sum.accounts = used().size() - 1;
        sum.shared_opens = shared_opens_.load(std::memory_order_relaxed);
        for (const entry& one : used()) {
            sum.bytes = detail::saturating_add<std::uint64_t>(sum.bytes, one.bytes.load(std::memory_order_relaxed));
            sum.refused += one.refused.load(std::memory_order_relaxed);
        }
        return sum;
    }

    [[nodiscard]] std::size_t memory_ceiling() const noexcept {
        return sizeof(*this) + (capacity_ + 1) * sizeof(entry);
    }

    /// While no other thread charges.
    void check_invariants() const noexcept {
        for (const entry& one : used()) {
            PLATEAU_EXPECTS(one.bytes.load(std::memory_order_relaxed) <= one.peak.load(std::memory_order_relaxed),
                            "ledger: an account holds more than its peak");
        }
        check_names();
    }

private:
    using sync = typename Policies::sync;
    using entry = detail::account_entry<sync>;

    static const ledger_options& checked(const ledger_options& chosen) {
        detail::require_option(chosen.max_accounts >= 1 && chosen.max_accounts <= 65'536,
                               "ledger_options: max_accounts is 1 to 65'536");
        return chosen;
    }

    /// Entries with a name. The acquire pairs with the release in `open`: what is counted here is written in full.
    std::span<entry> used() const noexcept { return {entries_.get(), opened_.load(std::memory_order_acquire) + 1}; }

    entry* find(std::string_view name) const noexcept {
        for (entry& one : used()) {
            if (one.name.view() == name) return &one;
        }
        return nullptr;
    }

    void check_names() const noexcept {
        const auto all = used();
        for (std::size_t i = 0; i < all.size(); ++i) {
            for (std::size_t j = 0; j < i; ++j) {
                PLATEAU_EXPECTS(all[i].name.view() != all[j].name.view(), "ledger: two accounts have one name");
            }
        }
    }

    std::size_t capacity_;
    typename sync::template atomic<std::size_t> opened_{0};  // names in the table beside `other`; only rises
    typename sync::template atomic<std::uint64_t> shared_opens_{0};
    typename sync::mutex opening_;      // held by whoever adds a name
    std::unique_ptr<entry[]> entries_;  // capacity_ + 1; the first is `other`
};

PLATEAU_NAMESPACE_END
