// SPDX-License-Identifier: MIT
#pragma once
// A TCP connection that does what no HTTP library would: sends any bytes, reads slowly, hangs up in the middle.
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

class raw_client {
public:
    /// `receive_buffer` bytes at most wait in this side's kernel; a small one makes the service wait for this reader.
    explicit raw_client(int port, int receive_buffer = 64 * 1024)
        : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        const timeval patience{.tv_sec = 10, .tv_usec = 0};
        ::setsockopt(socket_, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
        ::setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
        ::setsockopt(socket_, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_port = htons(static_cast<std::uint16_t>(port));
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        if (::connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
            ::close(socket_);
            throw std::runtime_error("cannot connect");
        }
    }
    raw_client(raw_client&& other) noexcept : socket_(std::exchange(other.socket_, -1)) {}
    raw_client& operator=(raw_client&&) = delete;
    ~raw_client() {
        if (socket_ >= 0) ::close(socket_);
    }

    void send(std::string_view bytes) {
        while (!bytes.empty()) {
            const ssize_t n = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
            if (n <= 0) throw std::runtime_error("the service closed the connection while being asked");
            bytes.remove_prefix(static_cast<std::size_t>(n));
        }
    }
    void get(std::string_view target) {
        send("GET " + std::string(target) + " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    }

    /// Returns: what arrived next, at most `most` bytes; nothing at the end, or after ten seconds of silence.
    std::string receive(std::size_t most) {
        std::string bytes(most, '\0');
        const ssize_t n = ::recv(socket_, bytes.data(), bytes.size(), 0);
        bytes.resize(n > 0 ? static_cast<std::size_t>(n) : 0);
        return bytes;
    }
    /// The same, appended.
    void receive_into(std::string& bytes, std::size_t most) {
        const std::size_t before = bytes.size();
        bytes.resize(before + most);
        const ssize_t n = ::recv(socket_, bytes.data() + before, most, 0);
        bytes.resize(before + (n > 0 ? static_cast<std::size_t>(n) : 0));
    }
    std::string receive_all() {
        std::string all;
        for (std::string some; !(some = receive(64 * 1024)).empty();) all += some;
        return all;
    }

    int descriptor() const noexcept { return socket_; }

    /// Ends with a reset, as a client that crashed does, rather than with an orderly close.
    void hang_up() {
        const linger at_once{.l_onoff = 1, .l_linger = 0};
        ::setsockopt(socket_, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
        ::close(std::exchange(socket_, -1));
    }

private:
    int socket_;
};
