// SPDX-License-Identifier: PostgreSQL
// HTTP/1.1 for operators' tools: libmicrohttpd, its epoll descriptor watched by the loop, without a
// thread of its own. It moves requests and answers; what they mean is the core's to say
// (pgweir/admin/http_api.h).
//
// Whoever connects is nobody yet, so all is bounded: connections (the oldest whose request is not
// complete goes when there are more), the bytes of a request, and the time in which it must have
// come, and its answer been taken, whatever trickles in meanwhile. A connection carries one
// request.
#pragma once

#include <uv.h>

#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "io/listener.h"
#include "io/loop.h"
#include "pgweir/base/log.h"
#include "pgweir/config/settings.h"
#include "pgweir/proxy/event.h"
#include "pgweir/session/effect.h"

struct MHD_Daemon;
struct MHD_Connection;

namespace pgweir::io {

class HttpOwner {
 public:
    // Never from within answer().
    virtual void on_http(HttpRequested request) = 0;

 protected:
    ~HttpOwner() = default;
};

class HttpServer {
 public:
    // The line and the headers of a request.
    static constexpr std::size_t kHeadBytesMax = std::size_t{16} * 1024;
    // Nobody reads it: what an order needs stands in its path.
    static constexpr std::size_t kBodyBytesMax = std::size_t{4} * 1024;

    HttpServer(uv_loop_t* loop, Log& log, HttpOwner& owner);
    HttpServer(const HttpServer&) = delete;
    HttpServer& operator=(const HttpServer&) = delete;
    // Requests without an answer are dropped; answers that were given go out as far as they can.
    ~HttpServer();

    // As Listener::bind. Throws config::ConfigError.
    void bind(const config::Settings& settings);
    void start();
    // After a reload.
    void set_options(const config::HttpSettings& options);
    std::vector<std::string> addresses() const { return listener_.addresses(); }

    // To a request that on_http() has told of; one whose peer is gone is passed over.
    void answer(AnswerHttp answer);

    std::size_t connection_count() const { return connections_.size(); }

 private:
    struct Callbacks;  // From libmicrohttpd.
    struct Connection;
    using Connections = std::list<std::unique_ptr<Connection>>;

    void accept(UniqueFd socket);
    void begin(Connection& connection);
    // Lets libmicrohttpd do what it can, then tells the owner what has come.
    void run();
    void run_after(std::uint64_t wait_ms);
    void ask(Connection& connection, wire::HttpRequest request);
    // libmicrohttpd notices that nothing comes any more, and nothing goes out.
    void cut(Connection& connection);
    void make_room();
    void watch_deadlines();
    void on_tick();

    uv_loop_t* loop_;
    HttpOwner& owner_;
    Listener listener_;
    Duration request_timeout_;
    std::size_t connections_max_ = 1;
    std::uint64_t last_request_ = 0;

    Connections connections_;  // Oldest first.
    std::map<HttpRequestId, Connection*> asked_;
    std::vector<HttpRequested> arrived_;
    MHD_Daemon* daemon_ = nullptr;
    Handle<uv_poll_t> poll_;
    Handle<uv_timer_t> again_;  // libmicrohttpd wants to go on.
    Handle<uv_timer_t> tick_;
};

}  // namespace pgweir::io
