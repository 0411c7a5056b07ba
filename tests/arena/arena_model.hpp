// SPDX-License-Identifier: MIT
/// An arena beside a list of what it should hold.
///
/// The oracle knows every live object: where it is, how long, and what was written there; the ends that are due, in
/// their order; and the path of marks. After every command the memory of all live objects is what was written, no two
/// objects overlap, the ends that ran are those that the oracle expects, and the books of arena and pool agree with
/// each other, with the limits, and with what the upstream resource gave.
#pragma once

#include "arena/arena_test_types.hpp"
#include "tools/model.hpp"

#include <plateau/arena.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace plateau_test {

class arena_model {
public:
    static constexpr std::string_view name = "arena";
    static constexpr std::string_view room = "arena";
    static constexpr std::size_t setup_bytes = 3;
    static constexpr std::size_t command_bytes = 4;

    static void run(byte_view input, model_check& check) {
        const auto setup = setup_of<arena_model>(input);
        counted_upstream upstream;
        {
            const plateau::arena_pool_options bounds = options_of(setup);
            const bool from_upstream = (setup[2] & 1U) != 0;
            std::optional<pool_type> pool;
            if (from_upstream) pool.emplace(bounds, upstream);
            else pool.emplace(bounds);
            player play(*pool, bounds, limits_of(setup), from_upstream ? &upstream : nullptr, check);
            play_commands<arena_model>(input, check, [&](byte_view command) { play.step(command); });
            play.end();
        }
        check.equal(upstream.live_bytes, std::size_t{0}, "bytes left upstream");
    }

    static std::string describe_setup(byte_view setup) {
        return "pool of " + std::to_string(options_of(setup).max_bytes) + " bytes, request of " +
               std::to_string(limits_of(setup).max_bytes) + ((setup[2] & 1U) != 0 ? ", upstream" : ", system");
    }
    static std::string describe(byte_view, byte_view command) {
        static constexpr std::string_view verbs[] = {"allocate",   "allocate large", "create", "defer",  "free",
                                                     "free last",  "extend",         "mark",   "rewind", "reset",
                                                     "other runs", "maintain",       "trim"};
        return std::string(verbs[verb_of(command)]) + ' ' + std::to_string(command[1]) + ' ' +
               std::to_string(command[2]) + ' ' + std::to_string(command[3]);
    }
    static model_bytes generate(random_source& random, std::size_t commands) {
        model_bytes bytes(setup_bytes + commands * command_bytes);
        for (auto& one : bytes) one = static_cast<std::uint8_t>(random.next());
        return bytes;
    }

private:
    using pool_type = plateau::basic_arena_pool<small_superblocks>;
    static constexpr std::size_t block = 4096;

    /// Verbs by weight.
    static unsigned verb_of(byte_view command) {
        static constexpr std::array<std::uint8_t, 32> verbs{0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 2, 2, 2, 3,  3,
                                                            4, 4, 4, 5, 5, 5, 6, 6, 6, 7, 7, 8, 8, 9, 10, 11};
        return command[0] == 255 ? 12 : verbs[command[0] % verbs.size()];
    }
    static plateau::arena_pool_options options_of(byte_view setup) {
        static constexpr std::size_t bytes[] = {plateau::unlimited, 64 * block, 16 * block, 5 * block};
        static constexpr std::size_t floors[] = {0, 2 * block, 8 * block, plateau::unlimited};
        return {.max_bytes = bytes[setup[0] % 4], .floor_bytes = floors[setup[0] / 4 % 4], .block_bytes = block};
    }
    static plateau::arena_options limits_of(byte_view setup) {
        static constexpr std::size_t bytes[] = {64 * block, 24 * block, 4 * block, 1};
        static constexpr std::size_t large[] = {block / 4, 0, 100, plateau::unlimited};
        return {.max_bytes = bytes[setup[1] % 4], .large_bytes = large[setup[1] / 4 % 4]};
    }

    /// Tells its number when it ends.
    struct ending {
        std::vector<int>* told;
        int number;
        ending(std::vector<int>& all, int n) noexcept : told(&all), number(n) {}
        ending(const ending&) = delete;
        ending& operator=(const ending&) = delete;
        ~ending() { told->push_back(number); }
    };

    struct object {
        unsigned char* at;
        std::size_t bytes;
        unsigned char with;
        int born;      ///< the count of marks at its birth
        bool may_end;  ///< false for what the arena ends itself
        int serial;
    };
    struct moment {
        plateau::checkpoint mark;
        int serial;
        std::size_t ends;
        std::size_t depth;
    };

    class player {
    public:
        player(pool_type& pool, const plateau::arena_pool_options& bounds, const plateau::arena_options& limits,
               const counted_upstream* upstream, model_check& check)
            : pool_(pool), bounds_(bounds), limits_(limits), upstream_(upstream), check_(check) {
            arena_.emplace(pool, limits);
            told_.reserve(64);
        }

        void step(byte_view command) {
            const std::size_t a = command[1], b = command[2], c = command[3];
            switch (verb_of(command)) {
            case 0:
                allocate(a + (c % 4 == 0 ? b * 4 : 0), std::size_t{1} << (b % 8));
                break;
            case 1:
                allocate(a * 64 + b, std::size_t{1} << (c % 14));
                break;
            case 2:
                create();
                break;
            case 3:
                defer();
                break;
            case 4:
                if (!objects_.empty()) free(a % objects_.size());
                break;
            case 5:
                if (!objects_.empty()) free(objects_.size() - 1);
                break;
            case 6:
                if (!objects_.empty()) extend(c % 2 == 0 ? objects_.size() - 1 : a % objects_.size(), b * (1 + c % 64));
                break;
            case 7:
                marks_.push_back({arena_->mark(), ++marked_, due_.size(), path_.size() + 1});
                path_.push_back(marked_);
                break;
            case 8:
                if (!marks_.empty()) rewind(marks_[a % 4 == 0 ? b % marks_.size() : marks_.size() - 1]);
                break;
            case 9:
                if (a % 4 == 0) reset();
                break;
            case 10:
                other(a * b);
                break;
            case 11:
                now_ += std::chrono::milliseconds(a * 20);
                pool_.maintain(now_);
                break;
            default:
                pool_.trim(a * 256);
                check_.expect(upstream_ != nullptr || pool_.stats().retained_bytes <= a * 256 + block,
                              "trim leaves no more than asked for");
                break;
            }
            compare();
        }

        void end() {
            arena_.reset();
            expect_ends(0);
            check_.equal(pool_.stats().in_use_bytes, std::uint64_t{0}, "bytes in use at the end");
            check_.equal(pool_.stats().scopes, std::uint64_t{0}, "scopes at the end");
            pool_.check_invariants();
        }

    private:
        void allocate(std::size_t bytes, std::size_t align) {
            const auto before = arena_->stats();
            const auto got = arena_->try_allocate(bytes, align);
            if (!got) return refused(got.reason(), before, bytes + align);
            add(*got, bytes, true);
            check_.expect(reinterpret_cast<std::uintptr_t>(*got) % align == 0, "memory is aligned");
        }
        void create() {
            const auto before = arena_->stats();
            const auto made = arena_->template try_create<ending>(told_, ++numbers_);
            if (!made) return refused(made.reason(), before, 128);
            due_.push_back(numbers_);
            check_.equal(made->number, numbers_, "the object's number");
        }
        void defer() {
            const auto before = arena_->stats();
            try {
                arena_->defer([told = &told_, n = numbers_ + 1]() noexcept { told->push_back(n); });
                due_.push_back(++numbers_);
            } catch (const plateau::limit_exceeded& thrown) {
                refused(thrown.reason(), before, 128);
            }
        }
        void free(std::size_t which) {
            const object gone = objects_[which];
            objects_.erase(objects_.begin() + static_cast<std::ptrdiff_t>(which));
            arena_->deallocate_bytes(gone.at, gone.bytes);
        }
        void extend(std::size_t which, std::size_t bytes) {
            object& one = objects_[which];
            // What grew after a mark does not survive the way back to it.
            if (bytes > one.bytes && one.born != marked_) return;
            const auto before = arena_->stats();
            if (!arena_->try_extend(one.at, one.bytes, bytes)) {
                check_.expect(bytes > one.bytes, "shrinking in place always goes");
                check_.equal(arena_->stats().held_bytes, before.held_bytes, "bytes held after a refusal");
                check_.equal(arena_->stats().free_bytes, before.free_bytes, "bytes free after a refusal");
                return;
            }
            if (bytes > one.bytes) fill(one.at + one.bytes, bytes - one.bytes, one.with);
            one.bytes = bytes;
        }
        void rewind(const moment& to) {
            const bool valid = to.depth <= path_.size() && path_[to.depth - 1] == to.serial;
            const int serial = to.serial;
            const std::size_t depth = to.depth;
            const std::size_t ends = to.ends;
            const bool done = arena_->rewind(to.mark);
            check_.expect(valid || !done, "a mark is believed only while it is valid");
            if (!done) {
                check_.expect(!valid || depth < path_.size() || path_.size() > 4, "a valid mark serves");
                return;
            }
            path_.resize(depth);
            std::erase_if(objects_, [&](const object& one) { return one.born >= serial; });
            expect_ends(ends);
        }
        void reset() {
            arena_->reset();
            path_.clear();
            objects_.clear();
            expect_ends(0);
            check_.equal(arena_->stats().held_bytes, std::uint64_t{0}, "bytes held after a reset");
        }
        /// Another request of the same pool, from its beginning to its end.
        void other(std::size_t bytes) {
            plateau::request_arena arena(pool_, {.max_bytes = 64 * block});
            for (std::size_t used = 0; used < bytes; used += 1'000) {
                const auto got = arena.try_allocate(1'000);
                if (!got) break;
                fill(*got, 1'000, 0xee);
            }
            arena.check_invariants();
        }

        void add(void* memory, std::size_t bytes, bool may_end) {
            const auto with = static_cast<unsigned char>(++writes_);
            auto* const at = static_cast<unsigned char*>(memory);
            const std::size_t taken = bytes == 0 ? 1 : bytes;
            for (const object& one : objects_)
                check_.expect(at + taken <= one.at || one.at + std::max<std::size_t>(one.bytes, 1) <= at,
                              "no two objects overlap");
            fill(at, bytes, with);
            objects_.push_back({at, bytes, with, marked_, may_end, 0});
        }
        void refused(plateau::arena_reason why, const plateau::arena_stats& before, std::size_t asked) {
            const auto now = arena_->stats();
            check_.equal(now.held_bytes, before.held_bytes, "bytes held after a refusal");
            check_.equal(now.free_bytes, before.free_bytes, "bytes free after a refusal");
            const std::size_t held = now.held_bytes + asked + 2 * block;
            if (why == plateau::arena_reason::request_limit)
                check_.expect(held > limits_.max_bytes, "a request is refused at its limit");
            else if (why == plateau::arena_reason::pool_limit)
                check_.expect(held > bounds_.max_bytes / (upstream_ != nullptr ? 4 : 1), "a pool refuses at its limit");
            else check_.fail("refused for no reason");
        }
        void expect_ends(std::size_t left) {
            check_.equal(told_.size(), due_.size() - left, "how many ends ran");
            for (std::size_t i = 0; i < told_.size(); ++i)
                check_.equal(told_[i], due_[due_.size() - 1 - i], "the number of who ended, newest first");
            told_.clear();
            due_.resize(left);
        }

        void compare() {
            check_.expect(told_.empty(), "nobody ends before its time");
            for (const object& one : objects_)
                check_.expect(is_filled(one.at, one.bytes, one.with), "an object holds what was written there");
            arena_->check_invariants();
            pool_.check_invariants();
            const auto own = arena_->stats();
            const auto all = pool_.stats();
            check_.equal(own.held_bytes, all.in_use_bytes, "bytes in use");
            check_.expect(own.held_bytes <= std::max<std::size_t>(limits_.max_bytes, block),
                          "the request's limit holds");
            check_.expect(all.in_use_bytes + all.retained_bytes <= bounds_.max_bytes, "the pool's bound holds");
            check_.expect(all.scopes == (own.held_bytes != 0 ? 1U : 0U), "who holds memory counts as a scope");
            if (upstream_ != nullptr)
                check_.equal(upstream_->live_bytes, std::size_t{all.in_use_bytes + all.retained_bytes},
                             "bytes that the upstream gave");
        }

        pool_type& pool_;
        const plateau::arena_pool_options bounds_;
        const plateau::arena_options limits_;
        const counted_upstream* const upstream_;
        model_check& check_;
        std::vector<int> told_;  // outlives the arena
        std::optional<plateau::request_arena> arena_;
        std::vector<object> objects_;
        std::vector<int> due_;
        std::vector<moment> marks_;
        std::vector<int> path_;
        plateau::time_point now_{};
        int marked_ = 0;
        int numbers_ = 0;
        unsigned writes_ = 0;
    };
};

}  // namespace plateau_test
