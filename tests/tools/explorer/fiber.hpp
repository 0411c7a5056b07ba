// SPDX-License-Identifier: MIT
/// Stacks of their own on one thread of the system, and the switch from one to another: a few nanoseconds on x86-64 and
/// AArch64, where ucontext, which is used elsewhere, makes a system call each time.
///
/// A fiber that is left and never entered again is abandoned: its stack is reused, its objects are not destroyed.
/// Exceptions stay on the fiber where they are thrown: the function it runs catches them all.
#pragma once

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <system_error>
#include <utility>

#include <sys/mman.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__)
#    define PLATEAU_TEST_FIBER_ASAN 1
#elif defined(__has_feature)
#    if __has_feature(address_sanitizer)
#        define PLATEAU_TEST_FIBER_ASAN 1
#    endif
#endif
#if defined(PLATEAU_TEST_FIBER_ASAN)
#    include <sanitizer/asan_interface.h>
#    include <sanitizer/common_interface_defs.h>
#endif

#if !defined(PLATEAU_TEST_UCONTEXT) && defined(__ELF__) && (defined(__x86_64__) || defined(__aarch64__))
#    define PLATEAU_TEST_UCONTEXT 0
#elif !defined(PLATEAU_TEST_UCONTEXT)
#    define PLATEAU_TEST_UCONTEXT 1
#endif
#if PLATEAU_TEST_UCONTEXT
#    include <ucontext.h>
#endif

// plateau_test_fiber_switch(void** save, void* to): pushes what the callee keeps, leaves the stack pointer in *save,
// takes the one in `to` and pops the same from there. A new stack is filled as if it had called the switch from
// plateau_test_fiber_entry. The section is a group of its own, so that the copies of several translation units merge.
#if !PLATEAU_TEST_UCONTEXT && defined(__x86_64__)
asm(R"(
    .pushsection .text.plateau_test_fiber_switch,"axG",@progbits,plateau_test_fiber_switch,comdat
    .weak plateau_test_fiber_switch
    .type plateau_test_fiber_switch,@function
plateau_test_fiber_switch:
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, (%rdi)
    movq %rsi, %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    ret
    .size plateau_test_fiber_switch, .-plateau_test_fiber_switch
    .weak plateau_test_fiber_entry
    .type plateau_test_fiber_entry,@function
plateau_test_fiber_entry:
    .cfi_startproc
    .cfi_undefined %rip
    movq %r12, %rdi
    callq *%rbx
    ud2
    .cfi_endproc
    .size plateau_test_fiber_entry, .-plateau_test_fiber_entry
    .popsection
)");
#elif !PLATEAU_TEST_UCONTEXT && defined(__aarch64__)
asm(R"(
    .pushsection .text.plateau_test_fiber_switch,"axG",%progbits,plateau_test_fiber_switch,comdat
    .weak plateau_test_fiber_switch
    .type plateau_test_fiber_switch,%function
plateau_test_fiber_switch:
    sub sp, sp, #160
    stp x19, x20, [sp, #0]
    stp x21, x22, [sp, #16]
    stp x23, x24, [sp, #32]
    stp x25, x26, [sp, #48]
    stp x27, x28, [sp, #64]
    stp x29, x30, [sp, #80]
    stp d8, d9, [sp, #96]
    stp d10, d11, [sp, #112]
    stp d12, d13, [sp, #128]
    stp d14, d15, [sp, #144]
    mov x9, sp
    str x9, [x0]
    mov sp, x1
    ldp x19, x20, [sp, #0]
    ldp x21, x22, [sp, #16]
    ldp x23, x24, [sp, #32]
    ldp x25, x26, [sp, #48]
    ldp x27, x28, [sp, #64]
    ldp x29, x30, [sp, #80]
    ldp d8, d9, [sp, #96]
    ldp d10, d11, [sp, #112]
    ldp d12, d13, [sp, #128]
    ldp d14, d15, [sp, #144]
    add sp, sp, #160
    ret
    .size plateau_test_fiber_switch, .-plateau_test_fiber_switch
    .weak plateau_test_fiber_entry
    .type plateau_test_fiber_entry,%function
plateau_test_fiber_entry:
    .cfi_startproc
    .cfi_undefined x30
    mov x0, x20
    blr x19
    brk #0
    .cfi_endproc
    .size plateau_test_fiber_entry, .-plateau_test_fiber_entry
    .popsection
)");
#endif

extern "C" {
void plateau_test_fiber_switch(void** save, void* to) noexcept;
void plateau_test_fiber_entry() noexcept;
/// What the C++ run time knows of the exceptions in flight on this thread: two words, by the Itanium ABI.
void* plateau_test_exceptions_in_flight() noexcept __asm__("__cxa_get_globals");
}

namespace plateau_test::explorer {

class fiber {
public:
    using function = void (*)(void*) noexcept;

    /// Without a stack: the context of the thread that is here already.
    fiber() = default;
    fiber(const fiber&) = delete;
    fiber& operator=(const fiber&) = delete;
    ~fiber() {
        if (stack_ != nullptr) munmap(stack_, guard_bytes() + stack_bytes);
    }

    /// Effects: the next switch to this fiber calls `f(argument)`, which never returns: it ends by a switch.
    void prepare(function f, void* argument) {
        if (stack_ == nullptr) make_stack();
        function_ = f;
        argument_ = argument;
        in_flight_ = {};
#if defined(PLATEAU_TEST_FIBER_ASAN)
        __asan_unpoison_memory_region(bottom(), stack_bytes);  // what an abandoned run has left
        fake_stack_ = nullptr;
        asan_bottom_ = bottom();
        asan_bytes_ = stack_bytes;
#endif
        prepare_registers();
    }

    /// Effects: leaves `from`, which is the one that runs, and goes on where `to` was left.
    static void switch_to(fiber& from, fiber& to) noexcept {
        auto* const in_flight = static_cast<exceptions*>(plateau_test_exceptions_in_flight());
        from.in_flight_ = std::exchange(*in_flight, to.in_flight_);
#if defined(PLATEAU_TEST_FIBER_ASAN)
        left_ = &from;
        __sanitizer_start_switch_fiber(&from.fake_stack_, to.asan_bottom_, to.asan_bytes_);
#endif
#if PLATEAU_TEST_UCONTEXT
        swapcontext(&from.registers_, &to.registers_);
#else
        plateau_test_fiber_switch(&from.top_, to.top_);
#endif
#if defined(PLATEAU_TEST_FIBER_ASAN)
        __sanitizer_finish_switch_fiber(from.fake_stack_, &left_->asan_bottom_, &left_->asan_bytes_);
#endif
    }

private:
    struct exceptions {
        void* caught = nullptr;
        std::uintptr_t uncaught = 0;
    };
    static constexpr std::size_t stack_bytes = 256 * 1024;

    static std::size_t guard_bytes() noexcept { return static_cast<std::size_t>(sysconf(_SC_PAGESIZE)); }
    std::byte* bottom() const noexcept { return static_cast<std::byte*>(stack_) + guard_bytes(); }

    void make_stack() {
        void* const mapped = mmap(nullptr, guard_bytes() + stack_bytes, PROT_READ | PROT_WRITE,
                                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (mapped == MAP_FAILED) throw std::system_error(errno, std::generic_category(), "the stack of a fiber");
        stack_ = mapped;
        mprotect(stack_, guard_bytes(), PROT_NONE);
    }

    static void enter(void* self) noexcept {
        auto* const entered = static_cast<fiber*>(self);
#if defined(PLATEAU_TEST_FIBER_ASAN)
        __sanitizer_finish_switch_fiber(nullptr, &left_->asan_bottom_, &left_->asan_bytes_);
#endif
        entered->function_(entered->argument_);
    }

#if PLATEAU_TEST_UCONTEXT
    void prepare_registers() {
        getcontext(&registers_);
        registers_.uc_stack.ss_sp = bottom();
        registers_.uc_stack.ss_size = stack_bytes;
        registers_.uc_link = nullptr;
        const auto self = reinterpret_cast<std::uintptr_t>(this);
        makecontext(&registers_, reinterpret_cast<void (*)()>(&enter_in_halves), 2,
                    static_cast<unsigned>(self >> 16U >> 16U), static_cast<unsigned>(self & 0xffff'ffffU));
    }
    static void enter_in_halves(unsigned high, unsigned low) noexcept {
        enter(reinterpret_cast<void*>((std::uintptr_t{high} << 16U << 16U) | low));
    }
    ucontext_t registers_{};
#else
    void prepare_registers() noexcept {
        auto** const end = reinterpret_cast<void**>(bottom() + stack_bytes);
#    if defined(__x86_64__)
        void** const top = end - 9;  // six registers, the return address; what is left is aligned as before a call
        top[3] = this;               // r12
        top[4] = reinterpret_cast<void*>(&enter);                     // rbx
        top[5] = nullptr;                                             // rbp
        top[6] = reinterpret_cast<void*>(&plateau_test_fiber_entry);  // the return address
#    else
        void** const top = end - 20;
        top[0] = reinterpret_cast<void*>(&enter);                      // x19
        top[1] = this;                                                 // x20
        top[10] = nullptr;                                             // x29
        top[11] = reinterpret_cast<void*>(&plateau_test_fiber_entry);  // x30
#    endif
        top_ = top;
    }
    void* top_ = nullptr;
#endif

    void* stack_ = nullptr;
    function function_ = nullptr;
    void* argument_ = nullptr;
    exceptions in_flight_;
#if defined(PLATEAU_TEST_FIBER_ASAN)
    void* fake_stack_ = nullptr;
    const void* asan_bottom_ = nullptr;
    std::size_t asan_bytes_ = 0;
    static inline fiber* left_ = nullptr;
#endif
};

}  // namespace plateau_test::explorer
