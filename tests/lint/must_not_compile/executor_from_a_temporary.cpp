// SPDX-License-Identifier: MIT
// An executor outlives what refers to it, so a temporary is refused.
// expect TEMPORARY: deleted (function|constructor)
#include <plateau/executor.hpp>

int main() {
    plateau::inline_executor here;
#if defined(TEMPORARY)
    const plateau::executor_ref where{plateau::inline_executor{}};
#else
    const plateau::executor_ref where{here};
#endif
    static_cast<void>(here);
    static_cast<void>(where);
}
