// SPDX-License-Identifier: PostgreSQL
// HTTP as a stranger speaks it: bytes over a socket, and what comes back until its end.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "process.h"

namespace pgweir::integration {

struct HttpReply {
    int status = 0;  // 0: the connection ended without one.
    std::string head = {};
    std::string body = {};
};

class HttpClient {
 public:
    explicit HttpClient(std::uint16_t port);
    HttpClient(const HttpClient&) = delete;
    HttpClient& operator=(const HttpClient&) = delete;
    ~HttpClient();

    void say(const std::string& bytes) const;
    // Whether something came, the end included, within the time.
    bool has_reply(std::chrono::milliseconds within) const;
    // All that comes until the end; HarnessError when that does not come in time.
    HttpReply reply() const;

 private:
    int fd_ = -1;
};

HttpReply get(std::uint16_t port, const std::string& path);
// An order in the making.
std::string order(const std::string& target, const std::string& token);

}  // namespace pgweir::integration
