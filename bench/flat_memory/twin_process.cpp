// SPDX-License-Identifier: MIT
#include "twin_process.hpp"

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <malloc.h>
#include <sys/prctl.h>
#include <sys/resource.h>

namespace flat_memory {

namespace {

std::size_t baseline_bytes = 0;
std::size_t largest_at_rest = 0;

// A leak, or a proof gone wrong, ends in bad_alloc here and not in the machine's last page.
constexpr rlim_t memory_cap = rlim_t{3} << 30;

bool told_to_go_on() { return std::getchar() != EOF; }

void tell(const char* what, std::size_t bytes) {
    std::printf("%s %zu\n", what, bytes);
    std::fflush(stdout);
}

}

void at_rest() noexcept {
    const std::size_t live = live_bytes();
    if (live > baseline_bytes) largest_at_rest = std::max(largest_at_rest, live - baseline_bytes);
}

crew::crew(unsigned size) {
    for (unsigned i = 0; i < size; ++i) threads_.emplace_back([this, i] { work(i); });
    run([](unsigned) { delete new char; });  // each thread's heap exists from here on
}

crew::~crew() {
    {
        const std::lock_guard held(mutex_);
        ended_ = true;
    }
    changed_.notify_all();
    for (auto& thread : threads_) thread.join();
}

void crew::run(const std::function<void(unsigned)>& job) {
    std::unique_lock held(mutex_);
    job_ = &job;
    busy_ = size();
    ++task_;
    changed_.notify_all();
    changed_.wait(held, [this] { return busy_ == 0; });
}

void crew::work(unsigned index) {
    std::uint64_t done = 0;
    std::unique_lock held(mutex_);
    for (;;) {
        changed_.wait(held, [&] { return ended_ || task_ != done; });
        if (ended_) return;
        done = task_;
        const auto& job = *job_;
        held.unlock();
        job(index);
        held.lock();
        if (--busy_ == 0) changed_.notify_all();
    }
}

std::vector<flat_case>& cases() {
    static std::vector<flat_case> all;
    return all;
}

int be_twin(const flat_case& one, role who, bounds bound, unsigned rounds) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);  // an observer that dies takes its twins along
    const rlimit cap{memory_cap, memory_cap};
    ::setrlimit(RLIMIT_AS, &cap);
    // Blocks larger than this go back to the system at once, as they do until malloc has seen one freed. From then on
    // it would keep them in its heap, and the kernel's figure would show the gaps between them.
    ::mallopt(M_MMAP_THRESHOLD, 128 * 1024);

    crew threads(one.threads);
    baseline_bytes = live_bytes();
    tell("baseline", baseline_bytes);
    if (!told_to_go_on()) return 0;

    const auto it = who == role::leaky ? one.leaky() : one.plateau(bound);
    at_rest();
    const std::size_t bytes_when_new = live_bytes();
    tell("ceiling", it->memory_ceiling());
    if (!told_to_go_on()) return 0;

    for (unsigned i = 0; i < rounds; ++i) {
        it->round(threads);
        at_rest();
        tell("round", largest_at_rest);
        if (!told_to_go_on()) return 0;
    }
    const bool is_empty = it->idle();
    const std::size_t live = live_bytes();
    tell("idle", is_empty && live > bytes_when_new ? live - bytes_when_new : 0);
    return 0;
}

}
