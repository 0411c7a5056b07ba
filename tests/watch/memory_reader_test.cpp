// SPDX-License-Identifier: MIT
#include "tools/catch.hpp"
#include "tools/death.hpp"
#include "tools/new_witness.hpp"

#include <plateau/literals.hpp>
#include <plateau/watch/memory_reader.hpp>

#include <cstdint>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace plateau_test;
using namespace plateau::literals;
using plateau::memory_reader;
using plateau::read_memory;
using plateau::read_reason;
using plateau::detail::parse_statm;

static_assert(sizeof(plateau::memory_sample) == 32);
static_assert(noexcept(read_memory()) && noexcept(std::declval<memory_reader&>().read()));

namespace {

/// Pages of our own, touched: resident, whatever an allocator does.
class touched_pages {
public:
    explicit touched_pages(std::size_t bytes)
        : bytes_(bytes),
          memory_(mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0)) {
        REQUIRE(memory_ != MAP_FAILED);
        std::memset(memory_, 1, bytes);
    }
    touched_pages(const touched_pages&) = delete;
    ~touched_pages() { munmap(memory_, bytes_); }

private:
    std::size_t bytes_;
    void* memory_;
};

/// The kernel's own words, by another way than ours: VmRSS and RssAnon of /proc/self/status, in bytes.
std::uint64_t status_bytes(const char* key) {
    std::ifstream file("/proc/self/status");
    for (std::string line; std::getline(file, line);) {
        if (line.rfind(key, 0) == 0) return std::stoull(line.substr(std::strlen(key) + 1)) * 1024;
    }
    return 0;
}

/// The kernel counts in batches of up to 32 pages a core: what two readings may differ by.
constexpr std::uint64_t kernel_error = 4_MiB;

bool near(std::uint64_t a, std::uint64_t b) { return (a > b ? a - b : b - a) <= kernel_error; }

bool closes_on_exec(const std::vector<int>& before) {
    for (int fd = 0; fd < 64; ++fd) {
        if (std::find(before.begin(), before.end(), fd) == before.end() && fcntl(fd, F_GETFD) >= 0) {
            return (fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0;
        }
    }
    return false;
}

std::vector<int> open_descriptors() {
    std::vector<int> open;
    for (int fd = 0; fd < 64; ++fd) {
        if (fcntl(fd, F_GETFD) >= 0) open.push_back(fd);
    }
    return open;
}

}  // namespace

TEST_CASE("a reading agrees with what the kernel says elsewhere", "[watch][unit]") {
    const touched_pages pages(64_MiB);
    const auto now = read_memory();
    REQUIRE(now);
    CHECK(now.reason() == read_reason::none);
    CHECK(near(now->resident_bytes, status_bytes("VmRSS:")));
    CHECK(near(now->anonymous_bytes, status_bytes("RssAnon:")));
    CHECK(now->anonymous_bytes >= 64_MiB);
    CHECK(now->anonymous_bytes <= now->resident_bytes);
    CHECK(now->work_done == 0);
    CHECK(now->at <= plateau::steady_clock{}.now());
}

TEST_CASE("memory that comes and goes is seen to come and go", "[watch][unit]") {
    memory_reader reader;
    const auto before = reader.read();
    REQUIRE(before);
    {
        const touched_pages pages(64_MiB);
        const auto during = reader.read();
        REQUIRE(during);
        CHECK(near(during->resident_bytes - before->resident_bytes, 64_MiB));
    }
    const auto after = reader.read();
    REQUIRE(after);
    CHECK(near(after->resident_bytes, before->resident_bytes));
}

// An inherited descriptor still tells of the parent: a forked worker would watch the memory of another process.
TEST_CASE("after a fork the child reads its own memory", "[watch][unit]") {
    memory_reader reader;
    const auto parent = reader.read();
    REQUIRE(parent);
    const auto child = dies([&] {
        const touched_pages pages(128_MiB);
        const auto own = reader.read();
        _exit(own && own->resident_bytes > parent->resident_bytes + 100_MiB ? 0 : 1);
    });
    CHECK(child.survived());
    const auto again = reader.read();
    REQUIRE(again);
    CHECK(near(again->resident_bytes, parent->resident_bytes));
}

TEST_CASE("a reader holds one descriptor, closed on exec and at its end", "[watch][unit]") {
    const auto before = open_descriptors();
    {
        memory_reader reader;
        CHECK(open_descriptors() == before);
        for (int i = 0; i < 10; ++i) REQUIRE(reader.read());
        CHECK(open_descriptors().size() == before.size() + 1);
        CHECK(closes_on_exec(before));
    }
    CHECK(open_descriptors() == before);
    REQUIRE(read_memory());
    CHECK(open_descriptors() == before);
}

TEST_CASE("without descriptors a reading is refused, and a reader that has one goes on", "[watch][unit]") {
    const auto child = dies([] {
        memory_reader early;
        if (!early.read()) _exit(1);
        rlimit none{};
        getrlimit(RLIMIT_NOFILE, &none);
        none.rlim_cur = 0;
        setrlimit(RLIMIT_NOFILE, &none);
        if (!early.read()) _exit(2);
        const auto refused = read_memory();
        if (refused || refused.reason() != read_reason::unreadable) _exit(3);
        memory_reader late;
        if (late.read()) _exit(4);
        none.rlim_cur = 64;
        setrlimit(RLIMIT_NOFILE, &none);
        if (!late.read()) _exit(5);
    });
    CHECK(child.exit_code == 0);
    CHECK(child.signal == 0);
}

TEST_CASE("a figure that is missing, empty or no figure is refused with its reason", "[watch][unit]") {
    memory_reader missing("/nonexistent/statm");
    CHECK(missing.read().reason() == read_reason::absent);
    memory_reader empty("/dev/null");
    CHECK(empty.read().reason() == read_reason::unreadable);
    memory_reader folder("/");
    CHECK(folder.read().reason() == read_reason::unreadable);
    memory_reader zeros("/dev/zero");
    CHECK(zeros.read().reason() != read_reason::none);
    CHECK(to_string(read_reason::absent) == "absent");
    CHECK(to_string(read_reason::malformed) == "malformed");
}

TEST_CASE("only three numbers and what follows them are figures", "[watch][unit]") {
    const auto read = parse_statm("1000 300 100 5 0 200 0\n", 4096);
    REQUIRE(read);
    CHECK(read->resident_bytes == 300 * 4096);
    CHECK(read->anonymous_bytes == 200 * 4096);
    for (const std::string_view bad : {"", "1", "1 2", "1 2 3", "1 2  3 4", "a 2 3 4", "1 -2 3 4", "1 2 x 4",
                                       "1 99999999999999999999 3 4", "1 9999999999999999 3 4"}) {
        CAPTURE(bad);
        CHECK(parse_statm(bad, 4096).reason() == read_reason::malformed);
    }
    const auto shared_beyond = parse_statm("9 1 2 0", 4096);  // the kernel's two figures are not one snapshot
    REQUIRE(shared_beyond);
    CHECK(shared_beyond->anonymous_bytes == 0);
}

TEST_CASE("another process is read by its path", "[watch][unit]") {
    const std::string path = "/proc/" + std::to_string(getppid()) + "/statm";
    memory_reader parent(path.c_str());
    const auto now = parent.read();
    REQUIRE(now);
    CHECK(now->resident_bytes > 0);
}

TEST_CASE("reading allocates nothing", "[watch][alloc]") {
    memory_reader reader;
    const new_scope witness;
    for (int i = 0; i < 100; ++i) {
        static_cast<void>(reader.read());
        static_cast<void>(read_memory());
    }
    const auto used = witness.delta();
    CHECK(used.calls == 0);
}
