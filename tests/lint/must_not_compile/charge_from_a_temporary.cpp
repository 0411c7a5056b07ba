// SPDX-License-Identifier: MIT
// A budget outlives what refers to it, so a temporary is refused.
// expect TEMPORARY: deleted (function|constructor)
#include <plateau/charge.hpp>

int main() {
    plateau::no_charge budget;
#if defined(TEMPORARY)
    const plateau::charge_ref shared{plateau::no_charge{}};
#else
    const plateau::charge_ref shared{budget};
#endif
    static_cast<void>(budget);
    return shared.try_charge(1) ? 0 : 1;
}
