-- SPDX-License-Identifier: MIT
-- wrk's requests: a few hundred products in turn, and one in four under a query never seen before.
local sent = 0
request = function()
    sent = sent + 1
    local id = (sent * 7919) % 400
    if sent % 4 == 0 then
        return wrk.format("GET", string.format("/product/%d?pressure=%s-%d", id, tostring(wrk.thread):sub(-6), sent))
    end
    return wrk.format("GET", "/product/" .. id)
end

done = function(summary, latency, requests)
    local errors = summary.errors
    local failed = errors.connect + errors.read + errors.write + errors.status + errors.timeout
    io.write(string.format("pressure: requests=%d failed=%d seconds=%.1f p99_ms=%.1f\n", summary.requests, failed, summary.duration / 1e6,
                           latency:percentile(99) / 1000))
end
