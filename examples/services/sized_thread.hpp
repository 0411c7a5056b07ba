// SPDX-License-Identifier: MIT
#pragma once
// A thread whose stack has a size of one's own choice, and gives back what it once needed.
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <system_error>
#include <utility>

#include <pthread.h>
#include <sys/mman.h>

class sized_thread {
public:
    sized_thread(std::size_t stack_bytes, std::function<void()> body) {
        pthread_attr_t attributes;
        pthread_attr_init(&attributes);
        pthread_attr_setstacksize(&attributes, stack_bytes);
        auto owned = std::make_unique<std::function<void()>>(std::move(body));
        const int error = ::pthread_create(&thread_, &attributes, &run, owned.get());
        pthread_attr_destroy(&attributes);
        if (error != 0) throw std::system_error(error, std::generic_category(), "pthread_create");
        static_cast<void>(owned.release());  // the thread's own from here on
    }
    sized_thread(const sized_thread&) = delete;
    sized_thread& operator=(const sized_thread&) = delete;
    ~sized_thread() { ::pthread_join(thread_, nullptr); }

private:
    static void* run(void* given) {
        const std::unique_ptr<std::function<void()>> body(static_cast<std::function<void()>*>(given));
        (*body)();
        return nullptr;
    }

    pthread_t thread_{};
};

/// The stack of the calling thread. A deep recursion leaves touched pages behind, for as long as the thread lives.
class own_stack {
public:
    own_stack() {
        pthread_attr_t attributes;
        if (::pthread_getattr_np(::pthread_self(), &attributes) != 0) return;
        void* low = nullptr;
        std::size_t size = 0;
        if (pthread_attr_getstack(&attributes, &low, &size) == 0) low_ = static_cast<char*>(low);
        pthread_attr_destroy(&attributes);
    }

    /// Effects: gives back to the system what lies more than `kept` bytes below the caller's frame. Call it where
    /// nothing deeper is in use.
    void trim(std::size_t kept) const noexcept {
        constexpr std::uintptr_t page = 4'096;
        const auto here = reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0));
        const auto low = (reinterpret_cast<std::uintptr_t>(low_) + page - 1) & ~(page - 1);
        const auto end = (here - kept) & ~(page - 1);
        if (low_ != nullptr && end > low) ::madvise(reinterpret_cast<void*>(low), end - low, MADV_DONTNEED);
    }

private:
    char* low_ = nullptr;
};
