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

constexpr std::uint64_t bursts = 20;
constexpr std::uint64_t requests_per_burst = 30;
constexpr std::uint64_t done_per_burst = 15;  // the oldest: the service is offered twice what it can do

/// The buffer of a request: 4 KB to 1 MB, most are small. The mean is about 36 KB.
[[nodiscard]] std::size_t buffer_size(random_numbers& random) noexcept {
    const std::uint64_t kind = random.below(100);
    if (kind < 90) return 4'000 + random.below(28'000);
    if (kind < 99) return 32'000 + random.below(224'000);
    return 256'000 + random.below(768'000);
}

/// One round: arrive(size of the buffer), and end_oldest() while there is one and the service gets on.
template <class Arrive, class EndOldest>
void serve_bursts(Arrive arrive, EndOldest end_oldest) {
    random_numbers random(13);
    for (std::uint64_t burst = 0; burst < bursts; ++burst) {
        for (std::uint64_t i = 0; i < requests_per_burst; ++i) arrive(buffer_size(random));
        for (std::uint64_t i = 0; i < done_per_burst; ++i) end_oldest();
    }
}

/// The founding mistake: whoever comes is let in, and holds his buffer until it is his turn.
class open_door final : public twin {
public:
    void round(crew&) override {
        serve_bursts([&](std::size_t size) { running_.emplace_back(size, 'x'); },
                     [&] {
                         if (!running_.empty()) running_.pop_front();
                     });
    }
    std::size_t memory_ceiling() const override { return plateau::unlimited; }

private:
    std::list<std::string> running_;
};

class gated_door final : public twin {
public:
    explicit gated_door(bounds bound)
        : door_(bound == bounds::real ? plateau::gate_options{.max_in_flight = 4'096, .max_bytes = 32_MiB}
                                      : plateau::gate_options{.max_in_flight = 1'000'000, .max_bytes = 64_GiB}) {}

    void round(crew&) override {
        serve_bursts(
            [&](std::size_t size) {
                {
                    auto slot = door_.try_admit({.bytes = request_bytes + size});
                    if (slot) running_.emplace_back(slot.take(), size);
                }
                at_rest();
            },
            [&] {
                if (!running_.empty()) running_.pop_front();
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
        "Bursts of requests, twice as many as the service can do, each with a buffer of 4 KB to 1 MB until it is done: "
        "everybody let in against a gate of 32 MiB, which refuses.",
    .threads = 0,
    .work_per_round = bursts * requests_per_burst,
    .bound_can_be_lifted = true,
    .leaky = []() -> std::unique_ptr<twin> { return std::make_unique<open_door>(); },
    .plateau = [](bounds bound) -> std::unique_ptr<twin> { return std::make_unique<gated_door>(bound); },
}};

}
}
