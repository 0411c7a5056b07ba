// SPDX-License-Identifier: MIT
// The container's limit, read from made-up /proc and /sys trees: version 2, version 1, both, namespaced and not.
#include "tools/catch.hpp"

#include <plateau/literals.hpp>
#include <plateau/watch/memory_limit.hpp>

#include <cstddef>
#include <filesystem>
#include <fstream>
#include <string>

#include <stdlib.h>

using namespace plateau::literals;
using namespace plateau::detail;
using plateau::unlimited;

namespace {

constexpr const char* v2_mount = "31 23 0:28 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n";
constexpr const char* v1_mount = "35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n";

class made_up_system {
public:
    made_up_system() {
        std::string pattern = (std::filesystem::temp_directory_path() / "plateau-limit-XXXXXX").string();
        REQUIRE(mkdtemp(pattern.data()) != nullptr);
        root_ = pattern;
    }
    made_up_system(const made_up_system&) = delete;
    ~made_up_system() { std::filesystem::remove_all(root_); }

    made_up_system& file(const std::string& path, const std::string& text) {
        const std::filesystem::path full = root_ + path;
        std::filesystem::create_directories(full.parent_path());
        std::ofstream(full) << text;
        return *this;
    }
    made_up_system& mounts(const std::string& text) { return file("/mountinfo", text); }
    made_up_system& groups(const std::string& text) { return file("/cgroup", text); }

    std::size_t limit(cgroup_version version) const {
        const std::string mountinfo = root_ + "/mountinfo";
        const std::string cgroup = root_ + "/cgroup";
        return cgroup_limit({mountinfo.c_str(), cgroup.c_str(), root_.c_str()}, version);
    }
    std::size_t memory_limit() const {
        const std::string mountinfo = root_ + "/mountinfo";
        const std::string cgroup = root_ + "/cgroup";
        return plateau::detail::memory_limit({mountinfo.c_str(), cgroup.c_str(), root_.c_str()});
    }

private:
    std::string root_;
};

}  // namespace

// A pod's limit often stands above the container's own group, whose file says "max".
TEST_CASE("the limit is the smallest over all groups above", "[watch][unit]") {
    made_up_system machine;
    machine.mounts("1 1 0:1 / / rw - ext4 /dev/root rw\n" + std::string(v2_mount)).groups("0::/pod/box/inner\n");
    machine.file("/sys/fs/cgroup/pod/box/inner/memory.max", "max\n");
    machine.file("/sys/fs/cgroup/pod/box/memory.max", "536870912\n");
    machine.file("/sys/fs/cgroup/pod/memory.max", "268435456\n");
    CHECK(machine.limit(cgroup_version::v2) == 256_MiB);
    CHECK(machine.limit(cgroup_version::v1) == unlimited);
    CHECK(machine.memory_limit() == 256_MiB);
    machine.file("/sys/fs/cgroup/pod/box/inner/memory.max", "1048576\n");
    CHECK(machine.limit(cgroup_version::v2) == 1_MiB);
}

TEST_CASE("inside a namespace the mount itself is the group", "[watch][unit]") {
    made_up_system machine;
    machine.mounts(v2_mount).groups("0::/\n").file("/sys/fs/cgroup/memory.max", "67108864\n");
    CHECK(machine.limit(cgroup_version::v2) == 64_MiB);
    machine.groups("0::/../outside\n").file("/sys/fs/outside/memory.max", "1\n");
    CHECK(machine.limit(cgroup_version::v2) == 64_MiB);
}

TEST_CASE("a group mounted as the root of the tree is not looked for below itself", "[watch][unit]") {
    made_up_system machine;
    machine.mounts("31 23 0:28 /docker/abc /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n");
    machine.groups("0::/docker/abc/worker\n").file("/sys/fs/cgroup/memory.max", "1073741824\n");
    machine.file("/sys/fs/cgroup/worker/memory.max", "134217728\n");
    CHECK(machine.limit(cgroup_version::v2) == 128_MiB);
    machine.groups("0::/docker/abc\n");
    CHECK(machine.limit(cgroup_version::v2) == 1_GiB);
    // A neighbour whose name begins alike.
    machine.groups("0::/docker/abcdef\n").file("/sys/fs/cgroupdef/memory.max", "1\n");
    CHECK(machine.limit(cgroup_version::v2) == 1_GiB);
}

TEST_CASE("the memory controller of version 1 limits too", "[watch][unit]") {
    made_up_system machine;
    machine.mounts("36 31 0:33 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n" + std::string(v1_mount));
    machine.groups("5:cpuset,memory:/a/b\n1:cpu:/\n0::/\n");
    machine.file("/sys/fs/cgroup/memory/a/b/memory.limit_in_bytes", "9223372036854771712\n");
    machine.file("/sys/fs/cgroup/memory/a/memory.limit_in_bytes", "33554432\n");
    machine.file("/sys/fs/cgroup/cpu/a/b/memory.limit_in_bytes", "1\n");
    CHECK(machine.limit(cgroup_version::v1) == 32_MiB);
    CHECK(machine.memory_limit() == 32_MiB);
}

TEST_CASE("where both versions are mounted the smaller limit holds", "[watch][unit]") {
    made_up_system machine;
    machine.mounts(std::string(v1_mount) + "41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n");
    machine.groups("4:memory:/x\n0::/y\n");
    machine.file("/sys/fs/cgroup/memory/x/memory.limit_in_bytes", "50331648\n");
    machine.file("/sys/fs/cgroup/unified/y/memory.max", "41943040\n");
    CHECK(machine.memory_limit() == 40_MiB);
}

TEST_CASE("what cannot be read limits nothing, and the machine still does", "[watch][unit]") {
    made_up_system machine;
    CHECK(machine.limit(cgroup_version::v2) == unlimited);
    CHECK(machine.memory_limit() == machine_bytes());
    CHECK(machine_bytes() != unlimited);
    machine.mounts("").groups("");
    CHECK(machine.limit(cgroup_version::v2) == unlimited);
    machine.mounts("31 23 0:28\nno dash\n - cgroup2\n\n - \n").groups("0\n::\n0::\n");
    CHECK(machine.limit(cgroup_version::v2) == unlimited);
    machine.mounts(v2_mount).groups("0::/a\n");
    for (const char* const bad : {"", "\n", "max", "nonsense\n", "-1\n", "99999999999999999999999\n"}) {
        CAPTURE(bad);
        machine.file("/sys/fs/cgroup/a/memory.max", bad);
        CHECK(machine.limit(cgroup_version::v2) == unlimited);
    }
    machine.file("/sys/fs/cgroup/a/memory.max", "4096");  // no end of line
    CHECK(machine.limit(cgroup_version::v2) == 4096);
    machine.file("/sys/fs/cgroup/a/memory.max", "0\n");
    CHECK(machine.limit(cgroup_version::v2) == 0);
}

TEST_CASE("lines and paths of any length are survived", "[watch][unit]") {
    made_up_system machine;
    machine.mounts("30 1 0:1 / /overlay rw - overlay overlay rw,lowerdir=" + std::string(20'000, 'l') + "\n" +
                   v2_mount);
    machine.groups("0::/a\n").file("/sys/fs/cgroup/a/memory.max", "8192\n");
    CHECK(machine.limit(cgroup_version::v2) == 8192);
    machine.mounts("31 23 0:28 / /sys/fs/cgroup rw " + std::string(3'000, 'o') + " - cgroup2 cgroup2 rw\n");
    CHECK(machine.limit(cgroup_version::v2) == 8192);
    machine.groups("0::/" + std::string(20'000, 'p') + "\n");
    machine.file("/sys/fs/cgroup/memory.max", "16384\n");
    CHECK(machine.limit(cgroup_version::v2) == 16384);
}

TEST_CASE("a mount point with a space in it is written escaped", "[watch][unit]") {
    made_up_system machine;
    machine.mounts("31 23 0:28 / /my\\040groups rw - cgroup2 cgroup2 rw\n").groups("0::/\n");
    machine.file("/my groups/memory.max", "12288\n");
    CHECK(machine.limit(cgroup_version::v2) == 12288);
}

TEST_CASE("this system's limit is positive and at most the machine's", "[watch][unit]") {
    CHECK(memory_limit() > 0);
    CHECK(memory_limit() <= machine_bytes());
}
