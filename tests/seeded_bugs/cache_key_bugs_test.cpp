// SPDX-License-Identifier: MIT
// Defects of keys and dumps: a key in place of the shipped one, or one member function of a dump's reader or writer.
#include "cache/dump_checks.hpp"
#include "cache/key_checks.hpp"
#include "seeded_bugs/planted_bug.hpp"
#include "tools/catch.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>

using namespace plateau_test;
namespace detail = plateau::detail;

namespace {

std::string text_of(std::string_view text) { return std::string(text); }
std::string text_of(std::int64_t number) { return std::to_string(number); }

/// A colon between the parts, and no lengths.
struct joined_key {
    std::string text;
    template <class First, class... Rest>
    explicit joined_key(const First& first, const Rest&... rest) : text(text_of(first)) {
        ((text += ':' + text_of(rest)), ...);
    }
    operator std::string_view() const noexcept { return text; }
};

/// Lengths, but the tenant stands there as it is.
struct bare_tenant_key {
    std::string text;
    template <class First, class... Rest>
    explicit bare_tenant_key(const First& first, const Rest&... rest) : text(text_of(first)) {
        if constexpr (sizeof...(Rest) != 0) text += std::string_view(plateau::composite_key{rest...});
    }
    operator std::string_view() const noexcept { return text; }
};

/// A route's key by the slow reading, with what a defect makes of it.
template <class Defect>
class slow_route_key {
public:
    slow_route_key(std::string_view path, std::string_view query, std::span<const std::string_view> names,
                   plateau::route_key_options bounds) {
        route_request request{std::string(path), std::string(query), {names.begin(), names.end()}};
        // A defect that makes keys shorter is noticed by what they say, and not by which of them are too large.
        const bool large = framed_bytes(meaning_of(request)) > bounds.max_bytes;
        Defect::of_request(request);
        route_meaning meaning = meaning_of(request);
        Defect::of_meaning(meaning);
        append(meaning.path);
        for (const auto& [name, values] : meaning.values) {
            for (const std::string& value : values) append(name), append(value);
        }
        if (!names.empty() && query.starts_with('?')) reason_ = Defect::of_the_mark;
        else if (meaning.refused) reason_ = plateau::route_reason::bad_escape;
        else if (large) reason_ = Defect::too_large(text_, bounds.max_bytes);
    }
    explicit operator bool() const noexcept { return reason_ == plateau::route_reason::none; }
    [[nodiscard]] plateau::route_reason reason() const noexcept { return reason_; }
    [[nodiscard]] std::string_view operator*() const noexcept { return text_; }

private:
    void append(const std::string& part) { text_ += std::string_view(plateau::composite_key{part}); }

    std::string text_;
    plateau::route_reason reason_ = plateau::route_reason::none;
};
struct no_defect {
    static constexpr plateau::route_reason of_the_mark = plateau::route_reason::question_mark;
    static void of_request(route_request&) {}
    static void of_meaning(route_meaning&) {}
    static plateau::route_reason too_large(std::string&, std::size_t) { return plateau::route_reason::too_large; }
};
struct cuts_the_key : no_defect {
    static plateau::route_reason too_large(std::string& text, std::size_t max_bytes) {
        text.resize(max_bytes);
        return plateau::route_reason::none;
    }
};
struct keeps_the_last_value : no_defect {
    static void of_meaning(route_meaning& meaning) {
        for (auto& [name, values] : meaning.values) values.erase(values.begin(), values.end() - 1);
    }
};
struct overlooks_the_mark : no_defect {
    static constexpr plateau::route_reason of_the_mark = plateau::route_reason::none;
};
struct decodes_the_path : no_defect {
    static void of_request(route_request& request) {
        if (const auto plain = slowly_decoded(request.path)) request.path = *plain;
    }
};

// ---- dumps: a source is the type of a defect's own

struct believes_sizes : file_reader {};
struct stores_unchecked : file_reader {};
struct ages_for_ever : file_reader {};
struct forgets_the_clock : file_reader {};
struct believes_the_end : file_reader {};
struct skips_what_is_reserved : file_reader {};
struct seals_alone : file_writer {};

struct grows_texts : std::char_traits<char> {};
struct counts_no_depth {};

struct reads_into_the_front : plateau::cache_policies {};
struct reads_as_it_puts : plateau::cache_policies {};

}  // namespace

/// What is read is the newest, as what is put.
template <>
void detail::cache_core<int, int, reads_into_the_front>::cool_latest() noexcept {}

/// What is read is put: over what is there, and for it another goes.
template <>
bool detail::cache_engine<int, int, reads_as_it_puts, detail::sole_access>::restore(int& key, int& value,
                                                                                    plateau::duration time_to_live) {
    return static_cast<bool>(put(key, value, plateau::put_options{time_to_live}));
}

/// A text takes what its size says, and nothing for growing to it.
template <>
bool plateau::dump_reader::get_text<counted_text<grows_texts>>(counted_text<grows_texts>& text) {
    return get_plain(text);
}

/// Each level calls the next, as deep as the file says.
template <>
bool plateau::dump_reader::get_one<tree_of<counts_no_depth>>(tree_of<counts_no_depth>& value) {
    return detail::dump_lookup::read(*this, value);
}

/// Memory for what the size says, before any of it is there.
template <>
plateau::warm_up_reason detail::warm_up_run<std::string, std::string, believes_sizes>::read_payload(std::size_t size,
                                                                                                    bool) {
    const std::span<std::byte> room(buffer_.extend(size < max_entry_bytes_ ? size : max_entry_bytes_), size);
    if (const auto why = read(room); why != plateau::warm_up_reason::none) return why;
    sum_.add(room);
    return plateau::warm_up_reason::none;
}

/// The entry is in the cache before its checksum was looked at.
template <>
template <class Store>
plateau::warm_up_reason
detail::warm_up_run<std::string, deep_value, stores_unchecked>::read_entry(const dump_format::frame& next,
                                                                           Store& store) {
    ++seen_;
    buffer_.clear();
    if (const auto why = read_payload(next.size, true); why != plateau::warm_up_reason::none) return why;
    if (decode_into(store, plateau::duration(next.to_live))) ++entries_;
    else ++skipped_;
    std::byte seal[dump_format::checksum_bytes];
    if (const auto why = read(seal); why != plateau::warm_up_reason::none) return why;
    return sum_.sealed(seal) ? plateau::warm_up_reason::none : plateau::warm_up_reason::damaged;
}

/// For ever is a number, from which time is taken off as from any other.
template <>
plateau::duration detail::warm_up_run<int, int, ages_for_ever>::time_left(plateau::duration to_live,
                                                                          plateau::duration to_idle) const noexcept {
    if (to_idle != forever && to_idle <= age_) return plateau::duration::zero();
    to_live = plateau::duration(saturating_sub(to_live.count(), age_.count()));
    return to_live < options_.max_time_to_live ? to_live : options_.max_time_to_live;
}

/// What was left when the dump was written is left still.
template <>
plateau::duration
detail::warm_up_run<int, int, forgets_the_clock>::time_left(plateau::duration to_live,
                                                            plateau::duration to_idle) const noexcept {
    if (to_idle != forever && to_idle <= age_) return plateau::duration::zero();
    return to_live < options_.max_time_to_live ? to_live : options_.max_time_to_live;
}

/// How many entries the end has counted is nobody's business.
template <>
plateau::warm_up_reason detail::warm_up_run<int, int, believes_the_end>::read_frame(dump_format::frame& next) {
    std::byte bytes[dump_format::frame_bytes];
    if (const auto why = read(bytes); why != warm_up_reason::none) return why;
    if (!checked(bytes)) return warm_up_reason::damaged;
    next = dump_format::read_frame(bytes);
    return warm_up_reason::none;
}

/// What the format calls zero may be anything.
template <>
plateau::warm_up_reason detail::warm_up_run<int, int, skips_what_is_reserved>::read_header() {
    std::byte bytes[dump_format::header_bytes];
    if (const auto why = read(bytes); why != warm_up_reason::none) return why;
    return checked(bytes) ? warm_up_reason::none : warm_up_reason::damaged;
}

/// The checksum of each entry starts anew.
template <>
template <class Entry>
void detail::dump_run<std::string, deep_value, seals_alone>::append(const Entry& one) {
    const std::size_t begin = buffer_.size();
    static_cast<void>(buffer_.extend(dump_format::frame_bytes));
    dump_writer to(buffer_);
    to.put(one.key, one.value);
    const std::size_t payload = buffer_.size() - begin - dump_format::frame_bytes;
    static_cast<void>(buffer_.extend(dump_format::checksum_bytes));
    const std::span<std::byte> made = buffer_.bytes().subspan(begin);
    dump_format::checksum alone;
    dump_format::write(made.template first<dump_format::frame_bytes>(),
                       {static_cast<std::uint32_t>(payload), one.to_live.count(), one.to_idle.count()}, alone);
    alone.add(made.subspan(dump_format::frame_bytes, payload));
    alone.seal(made.data() + dump_format::frame_bytes + payload);
    ++entries_;
}

TEST_CASE("keys that can be confused are noticed", "[cache][seeded]") {
    expect_killed({"S1", "a composite key without lengths",
                   "cache: different parts make different keys, and a key is read back as its parts",
                   "a key is read back as its parts",
                   [](shared_check& check) { different_parts_make_different_keys<joined_key>(check, 20'000); }});
    expect_killed({"S1", "a tenant without a length", "cache: a tenant alone is how its own keys begin, and no other's",
                   "begins with another's tenant", [](shared_check& check) {
                       a_tenant_is_a_prefix_of_its_own_keys_alone<bare_tenant_key>(check, 20'000);
                   }});
    expect_killed({"S1", "a route's key that is cut at its bound",
                   "cache: route keys agree with a slow reading of each request", "a key above its bound is refused",
                   [](shared_check& check) {
                       route_keys_agree_with_the_slow_reading<slow_route_key<cuts_the_key>>(check, 20'000);
                   }});
    expect_killed({"S1", "a route's key of which each name has one value",
                   "cache: route keys agree with a slow reading of each request",
                   "a route's key is read back as the path and the chosen values", [](shared_check& check) {
                       route_keys_agree_with_the_slow_reading<slow_route_key<keeps_the_last_value>>(check, 20'000);
                   }});
    expect_killed({"S1", "a path that is decoded once more",
                   "cache: route keys agree with a slow reading of each request",
                   "a route's key is read back as the path and the chosen values", [](shared_check& check) {
                       route_keys_agree_with_the_slow_reading<slow_route_key<decodes_the_path>>(check, 20'000);
                   }});
    expect_killed({"S1", "a query whose first parameter hides behind its mark",
                   "cache: route keys agree with a slow reading of each request",
                   "a query that begins with `?` is refused", [](shared_check& check) {
                       route_keys_agree_with_the_slow_reading<slow_route_key<overlooks_the_mark>>(check, 20'000);
                   }});
    // The references differ from the shipped keys in their defects alone.
    passes(
        [](shared_check& check) { route_keys_agree_with_the_slow_reading<slow_route_key<no_defect>>(check, 5'000); });
}

TEST_CASE("dumps that are believed are noticed", "[cache][seeded]") {
    expect_killed({"F13", "a size that is allocated before it is there",
                   "cache: a size that lies costs what really arrives", "memory follows what arrives",
                   a_size_that_lies_costs_what_really_arrives<believes_sizes>});
    expect_killed({"F1", "an entry that is stored before its checksum is looked at",
                   "cache: damage to a dump is noticed, and what came before it is kept", "what came before the cut",
                   damage_is_noticed_and_what_came_before_is_kept<stores_unchecked>});
    expect_killed({"F13", "a text that takes what growing to its size takes",
                   "cache: what strings take is within the bound of an entry, whatever their lengths",
                   "no more than the bound", what_strings_take_is_within_the_bound<counted_text<grows_texts>>});
    expect_killed({"F13", "a value that is read as deep as it says",
                   "cache: a value that is nested too deep is not read, however deep it is",
                   "the entries that are not too deep", a_value_that_is_nested_too_deep_is_not_read<counts_no_depth>});
    expect_killed({"F12", "a time to live without end that ends", "cache: the time away is taken off each time to live",
                   "after five seconds", the_time_away_is_taken_off<ages_for_ever>});
    expect_killed({"F12", "a time to live that stands still while nobody is there",
                   "cache: the time away is taken off each time to live", "after five seconds",
                   the_time_away_is_taken_off<forgets_the_clock>});
    expect_killed({"F1", "entries whose checksums know nothing of each other",
                   "cache: what was written is read back, of every known shape", "the reason",
                   [](shared_check& check) { what_was_written_is_read_back<seals_alone>(check, 20); }});
    expect_killed({"F1", "a file of which entries are missing",
                   "cache: numbers that lie at either end are damage, and bytes after the end are not read",
                   "an entry that the end counts and that is not there",
                   numbers_that_lie_are_damage<believes_the_end>});
    expect_killed({"F1", "a header that says what nobody can read",
                   "cache: numbers that lie at either end are damage, and bytes after the end are not read",
                   "what the header reserves", numbers_that_lie_are_damage<skips_what_is_reserved>});
    expect_killed({"F1", "what is read goes to the front",
                   "cache: the order survives a dump, and a smaller cache keeps the hottest", "in their order",
                   the_order_survives_and_the_hottest_are_kept<reads_into_the_front>});
    expect_killed({"F2", "what is read displaces what is there",
                   "cache: what is in a cache stays when it is warmed up, and stays hotter",
                   "the entries for which there is room", what_is_there_stays_and_stays_hotter<reads_as_it_puts>});
}
