// SPDX-License-Identifier: MIT
#include "case.hpp"

#include <plateau/gate.hpp>
#include <plateau/literals.hpp>

#include <cstdint>
#include <list>
#include <memory>
#include <string>
#include <utility>

namespace flat_memory {
namespace {

using namespace plateau::literals;

constexpr std::uint64_t requests_per_burst = 800;
constexpr std::uint64_t done_between_bursts = 520;  // more than the gate lets in at once, and less than come

/// The buffer of a request: 4 KB to 1 MB, most are small. The mean is about 36 KB.
[[nodiscard]] std::size_t buffer_size(random_numbers& random) noexcept {
    const std::uint64_t kind = random.below(100);
    if (kind < 90) return 4'000 + random.below(28'000);
    if (kind < 99) return 32'000 + random.below(224'000);
    return 256'000 + random.below(768'000);
}

/// One round: the service does what it can, the oldest first, and then the next burst comes: f(size of the buffer).
template <class Running, class F>
void serve_burst(Running& running, F f) {
    for (std::uint64_t i = 0; i < done_between_bursts && !running.empty(); ++i) running.pop_front();
    random_numbers random(13);
    for (std::uint64_t i = 0; i < requests_per_burst; ++i) f(buffer_size(random));
}

/// The founding mistake: whoever comes is let in, and holds his buffer until it is his turn.
class open_door final : public twin {
public:
    void round(crew&) override {
        serve_burst(running_, [&](std::size_t size) { running_.emplace_back(size, 'x'); });
    }
    std::size_t memory_ceiling() const override { return plateau::unlimited; }

private:
    std::list<std::string> running_;
};

class gated_door final : public twin {
public:
    explicit gated_door(bounds bound)
        : door_(bound == bounds::real ? plateau::gate_options{.max_in_flight = 4'096, .max_bytes = 16_MiB}
                                      : plateau::gate_options{.max_in_flight = 1'000'000, .max_bytes = 64_GiB}) {}

    void round(crew&) override {
        serve_burst(running_, [&](std::size_t size) {
            if (auto slot = door_.try_admit({.bytes = request_bytes + size})) running_.emplace_back(slot.take(), size);
            at_rest();
        });
    }
    /// What requests hold is what they declare: all of it, their places in the list included.
    std::size_t memory_ceiling() const override { return door_.memory_ceiling() + door_.max_bytes(); }

private:
    /// The buffer ends before the permit.
    struct request {
        request(plateau::permit admitted, std::size_t size) : permit(std::move(admitted)), buffer(size, 'x') {}

        plateau::permit permit;
        std::string buffer;
    };
    static constexpr std::size_t request_bytes = 2 * sizeof(void*) + sizeof(request) + 1;  // a node, a terminator

    plateau::gate door_;
    std::list<request> running_;
};

const registered door{{
    .name = "gate",
    .what =
        "Bursts of more requests than the service gets done before the next, each with a buffer of 4 KB to 1 MB until "
        "it is done: everybody let in against a gate of 16 MiB, which refuses.",
    .threads = 0,
    .work_per_round = requests_per_burst,
    .bound_can_be_lifted = true,
    .leaky = []() -> std::unique_ptr<twin> { return std::make_unique<open_door>(); },
    .plateau = [](bounds bound) -> std::unique_ptr<twin> { return std::make_unique<gated_door>(bound); },
}};

}
}
