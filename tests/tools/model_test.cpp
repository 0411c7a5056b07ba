// SPDX-License-Identifier: MIT
// The harness against small subjects with a defect each: it is found, shrunk, and seen again.
#include "tools/catch.hpp"
#include "tools/lru_oracle.hpp"
#include "tools/model_run.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include <stdlib.h>

using namespace plateau_test;

namespace {

struct right {
    static constexpr const char* name = "toy_right";
    static constexpr bool peek_touches = false, ends_on_a_hit = false, throws_when_full = false;
};
struct touching : right {
    static constexpr const char* name = "toy_touching";
    static constexpr bool peek_touches = true;
};
struct ending : right {
    static constexpr const char* name = "toy_ending";
    static constexpr bool ends_on_a_hit = true;
};
struct throwing : right {
    static constexpr const char* name = "toy_throwing";
    static constexpr bool throws_when_full = true;
};

/// Three keys, the hottest first.
template <class Defect>
class toy_lru {
public:
    void put(int key) {
        const auto at = std::find(keys_.begin(), keys_.end(), key);
        if (at != keys_.end()) keys_.erase(at);
        else if (keys_.size() == 3) {
            if (Defect::throws_when_full) throw std::length_error("full");
            keys_.pop_back();
        }
        keys_.insert(keys_.begin(), key);
    }
    bool get(int key) {
        const auto at = std::find(keys_.begin(), keys_.end(), key);
        if (at == keys_.end()) return false;
        if (Defect::ends_on_a_hit && at == keys_.begin() + 2) std::abort();
        std::rotate(keys_.begin(), at, at + 1);
        return true;
    }
    bool peek(int key) {
        if (Defect::peek_touches) return get(key);
        return std::find(keys_.begin(), keys_.end(), key) != keys_.end();
    }

private:
    std::vector<int> keys_;
};

template <class Defect>
struct toy_model {
    static constexpr std::string_view name = Defect::name;
    static constexpr std::string_view room = "tools";
    static constexpr std::size_t setup_bytes = 1;
    static constexpr std::size_t command_bytes = 2;

    static void run(byte_view input, model_check& check) {
        toy_lru<Defect> subject;
        lru_oracle<int, char> oracle{3, SIZE_MAX};
        play_commands<toy_model>(input, check, [&](byte_view command) {
            const int key = command[1] % 8;
            switch (command[0] % 3) {
            case 0:
                subject.put(key);
                oracle.put(key, ' ', 1, oracle.never, 0);
                break;
            case 1:
                check.equal(subject.get(key), oracle.get(key, 0) != nullptr, "get");
                break;
            default:
                check.equal(subject.peek(key), oracle.peek(key, 0) != nullptr, "peek");
                break;
            }
        });
    }
    static std::string describe_setup(byte_view) { return "three keys"; }
    static std::string describe(byte_view, byte_view command) {
        constexpr const char* verbs[] = {"put", "get", "peek"};
        return std::string(verbs[command[0] % 3]) + '(' + std::to_string(command[1] % 8) + ')';
    }
    static model_bytes generate(random_source& random, std::size_t commands) {
        model_bytes bytes(setup_bytes + commands * command_bytes);
        for (auto& byte : bytes) byte = static_cast<std::uint8_t>(random.next());
        return bytes;
    }
};

class temporary_folder {
public:
    temporary_folder() {
        std::string pattern = (std::filesystem::temp_directory_path() / "plateau-model-XXXXXX").string();
        REQUIRE(::mkdtemp(pattern.data()) != nullptr);
        path_ = pattern;
    }
    temporary_folder(const temporary_folder&) = delete;
    temporary_folder& operator=(const temporary_folder&) = delete;
    ~temporary_folder() { std::filesystem::remove_all(path_); }

    void file(const char* name, const model_bytes& bytes) const {
        std::ofstream out(path_ / name, std::ios::binary);
        out.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
    }
    const std::filesystem::path& path() const { return path_; }

private:
    std::filesystem::path path_;
};

bool contains(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

template <class Defect>
model_bytes found_and_shrunk(const char* why) {
    using toy = toy_model<Defect>;
    const model_report report = run_random<toy>(1'000, 60, 1);
    INFO(report.text);
    CHECK_FALSE(report.passed);
    CHECK(contains(report.text, why));
    CHECK(contains(report.text, "PLATEAU_MODEL_REPLAY=" + std::string(toy::name) + ':' + to_hex(report.shrunk)));
    CHECK(contains(report.text, " > tests/corpus/tools/" + std::string(toy::name)));
    CHECK(run_model_apart<toy>(report.shrunk).failed());
    CHECK_FALSE(run_model_apart<toy_model<right>>(report.shrunk).failed());
    return report.shrunk;
}

}  // namespace

TEST_CASE("a right subject passes, and every command of it is counted", "[tools][unit]") {
    const model_report report = run_random<toy_model<right>>(200, 50, 7);
    INFO(report.text);
    CHECK(report.passed);
    CHECK(report.sequences == 200);
    std::uint64_t commands = 0;
    for (std::uint64_t i = 0; i < 200; ++i)
        commands += command_count<toy_model<right>>(random_sequence<toy_model<right>>(7, i, 50));
    CHECK(report.operations == commands);
    CHECK(commands > 200 * 25);
}

TEST_CASE("an LRU whose peek touches is found and shrunk to the six commands that it takes", "[tools][unit]") {
    const model_bytes shrunk = found_and_shrunk<touching>("is false, and should be true");
    // Three puts, a peek at the coldest, a put that evicts the wrong one, and a look at it. One put less cannot do.
    CHECK(command_count<toy_model<touching>>(shrunk) == 6);
}

TEST_CASE("a subject that ends the process is found and shrunk like one that answers wrongly", "[tools][unit]") {
    const model_bytes shrunk = found_and_shrunk<ending>("the process was ended");
    CHECK(command_count<toy_model<ending>>(shrunk) == 4);
}

TEST_CASE("an exception that should not be is a failure", "[tools][unit]") {
    const model_bytes shrunk = found_and_shrunk<throwing>("thrown, where nothing should be: full");
    CHECK(command_count<toy_model<throwing>>(shrunk) == 4);
    CHECK(list_commands<toy_model<throwing>>(shrunk, 4).ends_with(" -> 4 put(0)\n"));
}

TEST_CASE("a corpus file that fails is named", "[tools][unit]") {
    using toy = toy_model<touching>;
    const temporary_folder folder;
    folder.file("a", {});
    folder.file("b-it-fails", {0, 0, 0, 0, 1, 0, 2, 2, 0, 0, 3, 1, 0, 1, 0});
    folder.file("c", {1, 2, 3, 4, 5});
    const model_report wrong = run_corpus<toy>(folder.path());
    CHECK_FALSE(wrong.passed);
    CHECK(contains(wrong.text, "b-it-fails"));
    CHECK(wrong.sequences == 2);
    const model_report fine = run_corpus<toy_model<right>>(folder.path());
    CHECK(fine.passed);
    CHECK(fine.sequences == 3);
    CHECK(fine.operations == 7 + 2);
    CHECK(run_corpus<toy>(folder.path() / "absent").sequences == 0);
}

TEST_CASE("a replay is text that is taken back as it was", "[tools][unit]") {
    const model_bytes bytes{0, 1, 0x7f, 0x80, 0xff};
    CHECK(to_hex(bytes) == "00017f80ff");
    CHECK(from_hex(to_hex(bytes)) == bytes);
    for (const char* wrong : {"0", "0g", "AB", " 00"}) CHECK_FALSE(from_hex(wrong));
    const auto replay = parse_replay("toy:00ff");
    REQUIRE(replay);
    CHECK(replay->model == "toy");
    CHECK(replay->input == model_bytes{0, 255});
    for (const char* wrong : {"", "toy", ":00", "toy:0", "toy:@/no/such/file"}) CHECK_FALSE(parse_replay(wrong));

    const temporary_folder folder;
    folder.file("crash", bytes);
    const auto from_file = parse_replay("toy:@" + (folder.path() / "crash").string());
    REQUIRE(from_file);
    CHECK(from_file->input == bytes);
}

TEST_CASE("a replay that is asked for runs alone", "[tools][unit]") {
    // In a process of its own: this one's environment stays as it is.
    const auto asked = [](const char* replay, auto run) {
        const apart_result result = run_apart([&](model_progress& progress) {
            ::setenv("PLATEAU_MODEL_REPLAY", replay, 1);
            const model_report report = run();
            progress.steps = report.operations;
            progress.sequence = report.sequences;
            if (!report.passed) model_check(progress).fail(report.text);
        });
        return result;
    };
    const auto touching_run = [] { return run_random<toy_model<touching>>(1'000, 60, 1); };
    const apart_result again = asked("toy_touching:00000000010002020000030100", touching_run);
    INFO(again.why);
    CHECK(again.failed());
    CHECK(again.progress.sequence == 1);
    CHECK(contains(again.why, "the replay fails; shrunk to 6 commands"));
    const apart_result other = asked("toy_right:00", touching_run);
    CHECK_FALSE(other.failed());
    CHECK(other.progress.steps == 0);
    const apart_result unreadable = asked("toy_touching", touching_run);
    CHECK(unreadable.failed());
    CHECK(contains(unreadable.why, "neither <model>:<hex> nor <model>:@<file>"));
}
