// SPDX-License-Identifier: MIT
#include "case.hpp"

#include <plateau/literals.hpp>
#include <plateau/watch.hpp>

#include <chrono>
#include <string>
#include <unordered_map>
#include <vector>

namespace flat_memory {
namespace {

constexpr std::uint64_t requests_per_round = 20'000;

/// Calls f(name of the route, bytes) once a request. Every route carries an identifier, so that none comes twice.
template <class F>
void serve(std::uint64_t& next, F f) {
    random_numbers random(11);
    for (std::uint64_t i = 0; i < requests_per_round; ++i) {
        const std::string route = "/users/" + std::to_string(next++) + "/orders";
        f(route, 100 + random.below(10'000));
    }
}

/// The metrics of the founding articles: a total for every route ever seen, and every sample ever taken.
class leaky_monitoring final : public twin {
public:
    void round(crew&) override {
        serve(next_, [&](const std::string& route, std::size_t bytes) {
            bytes_by_route_[route] += static_cast<std::int64_t>(bytes);
            bytes_by_route_[route] -= static_cast<std::int64_t>(bytes);
            samples_.push_back({std::chrono::steady_clock::now(), next_, bytes});
        });
    }
    std::size_t memory_ceiling() const override { return plateau::unlimited; }

private:
    struct sample {
        std::chrono::steady_clock::time_point at;
        std::uint64_t work;
        std::size_t bytes;
    };

    std::uint64_t next_ = 0;
    std::unordered_map<std::string, std::int64_t> bytes_by_route_;
    std::vector<sample> samples_;
};

class plateau_monitoring final : public twin {
public:
    void round(crew&) override {
        serve(next_, [&](const std::string& route, std::size_t bytes) {
            plateau::account account = books_->open(route);
            account.charge(bytes);
            account.refund(bytes);
            sampler_->tick(next_);
        });
    }
    std::size_t memory_ceiling() const override { return books_->memory_ceiling() + sampler_->memory_ceiling(); }

private:
    std::uint64_t next_ = 0;
    std::unique_ptr<plateau::ledger> books_ = std::make_unique<plateau::ledger>();
    std::unique_ptr<plateau::memory_sampler> sampler_ = std::make_unique<plateau::memory_sampler>(
        plateau::memory_sampler_options{.period = std::chrono::nanoseconds(1)});
};

const registered watch{{
    .name = "watch",
    .what =
        "Accounting by route where every route name is new, and a memory sample for each request: a total a name and "
        "a vector of samples against a ledger and a sampler.",
    .threads = 0,
    .work_per_round = requests_per_round,
    .bound_can_be_lifted = false,
    .leaky = []() -> std::unique_ptr<twin> { return std::make_unique<leaky_monitoring>(); },
    .plateau = [](bounds) -> std::unique_ptr<twin> { return std::make_unique<plateau_monitoring>(); },
}};

}
}
