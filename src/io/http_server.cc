// SPDX-License-Identifier: PostgreSQL
#include "io/http_server.h"

#include <microhttpd.h>
#include <sys/socket.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "io/socket.h"
#include "pgweir/base/assert.h"

namespace pgweir::io {

namespace {

constexpr std::uint64_t kTickMs = 100;
// More than max_connections can be: those that were cut have not gone yet.
constexpr unsigned kDaemonConnectionsMax = 4096;

// `name` as libmicrohttpd has it; null if it is not there.
const char* header(MHD_Connection* connection, const char* name) {
    return MHD_lookup_connection_value(connection, MHD_HEADER_KIND, name);
}

bool announces_too_much(MHD_Connection* connection) {
    const char* announced = header(connection, MHD_HTTP_HEADER_CONTENT_LENGTH);
    if (announced == nullptr) return false;
    const std::string_view text(announced);
    std::size_t bytes = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), bytes);
    return error != std::errc() || bytes > HttpServer::kBodyBytesMax;
}

std::string peer_of(int fd) {
    SocketAddress address;
    address.length = sizeof(address.storage);
    if (::getpeername(fd, address.get(), &address.length) != 0) return "somebody";
    return address.text();
}

MHD_Result send(MHD_Connection* connection, const wire::HttpAnswer& answer) {
    MHD_Response* response = MHD_create_response_from_buffer(
        answer.body.size(), const_cast<char*>(answer.body.data()), MHD_RESPMEM_MUST_COPY);
    if (response == nullptr) return MHD_NO;
    const auto add = [response](const std::string& name, const std::string& value) {
        MHD_add_response_header(response, name.c_str(), value.c_str());
    };
    add(MHD_HTTP_HEADER_CONTENT_TYPE, answer.content_type);
    add(MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    add("X-Content-Type-Options", "nosniff");
    add(MHD_HTTP_HEADER_CONNECTION, "close");
    for (const auto& [name, value] : answer.headers) add(name, value);
    const MHD_Result result =
        MHD_queue_response(connection, static_cast<unsigned>(answer.status), response);
    MHD_destroy_response(response);
    return result;
}

}  // namespace

struct HttpServer::Connection {
    explicit Connection(HttpServer& owner) : server(owner) {}

    HttpServer& server;
    MHD_Connection* handle = nullptr;
    int fd = -1;
    Connections::iterator place;
    Instant deadline;
    std::size_t body_bytes = 0;
    bool is_begun = false;  // The head of its request has come.
    bool is_cut = false;
    HttpRequestId request;  // It is suspended until that is answered.
    std::optional<wire::HttpAnswer> answer;
};

struct HttpServer::Callbacks {
    static Connection* connection_of(MHD_Connection* handle) {
        const MHD_ConnectionInfo* info =
            MHD_get_connection_info(handle, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
        return info != nullptr ? static_cast<Connection*>(info->socket_context) : nullptr;
    }

    static void on_connection(void* self, MHD_Connection* handle, void** context,
                              MHD_ConnectionNotificationCode what) {
        HttpServer& server = *static_cast<HttpServer*>(self);
        if (what == MHD_CONNECTION_NOTIFY_STARTED) {
            auto owned = std::make_unique<Connection>(server);
            Connection& connection = *owned;
            *context = &connection;
            connection.handle = handle;
            connection.fd =
                MHD_get_connection_info(handle, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
            connection.place =
                server.connections_.insert(server.connections_.end(), std::move(owned));
            server.begin(connection);
            return;
        }
        auto* connection = static_cast<Connection*>(*context);
        if (connection == nullptr) return;
        server.asked_.erase(connection->request);
        server.connections_.erase(connection->place);
        *context = nullptr;
    }

    static MHD_Result on_argument(void* into, MHD_ValueKind, const char* name,
                                  std::size_t name_bytes, const char* value,
                                  std::size_t value_bytes) {
        static_cast<wire::HttpPairs*>(into)->emplace_back(
            std::string(name, name_bytes),
            value == nullptr ? std::string() : std::string(value, value_bytes));
        return MHD_YES;
    }

    // Called when the head has come, for each piece of the body, when all has come, and when the
    // connection is resumed.
    static MHD_Result on_request(void*, MHD_Connection* handle, const char* path,
                                 const char* method, const char*, const char*,
                                 std::size_t* piece_bytes, void**) {
        Connection* connection = connection_of(handle);
        if (connection == nullptr) return MHD_NO;
        if (!connection->is_begun) {
            connection->is_begun = true;
            if (!announces_too_much(handle)) return MHD_YES;
            return send(handle, {.status = MHD_HTTP_CONTENT_TOO_LARGE,
                                 .content_type = "text/plain",
                                 .body = "the body is too long\n"});
        }
        if (*piece_bytes > 0) {
            connection->body_bytes += *piece_bytes;
            *piece_bytes = 0;
            return connection->body_bytes <= kBodyBytesMax ? MHD_YES : MHD_NO;
        }
        if (connection->answer) return send(handle, *connection->answer);
        wire::HttpRequest request{.method = method, .path = path, .from = peer_of(connection->fd)};
        MHD_get_connection_values_n(handle, MHD_GET_ARGUMENT_KIND, &on_argument,
                                    &request.arguments);
        const char* authorization = header(handle, MHD_HTTP_HEADER_AUTHORIZATION);
        if (authorization != nullptr) request.authorization = authorization;
        connection->server.ask(*connection, std::move(request));
        return MHD_YES;
    }
};

HttpServer::HttpServer(uv_loop_t* loop, Log& log, HttpOwner& owner)
    : loop_(loop),
      owner_(owner),
      listener_(loop, log, [this](UniqueFd socket, ClientAddress) { accept(std::move(socket)); }),
      again_(make_timer(loop, this)),
      tick_(make_timer(loop, this)) {}

HttpServer::~HttpServer() {
    listener_.stop();
    if (daemon_ == nullptr) return;
    poll_.reset();
    for (const auto& [id, connection] : std::exchange(asked_, {})) {
        cut(*connection);
        MHD_resume_connection(connection->handle);
    }
    MHD_run(daemon_);
    arrived_.clear();
    // What has come at the very last is suspended, which the daemon can't be stopped with.
    for (const auto& [id, connection] : std::exchange(asked_, {})) {
        MHD_resume_connection(connection->handle);
    }
    MHD_stop_daemon(daemon_);
}

void HttpServer::bind(const config::Settings& settings) {
    set_options(settings.http);
    listener_.bind_http(settings);
}

void HttpServer::set_options(const config::HttpSettings& options) {
    request_timeout_ = options.request_timeout();
    connections_max_ = options.max_connections();
}

void HttpServer::start() {
    daemon_ = MHD_start_daemon(MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET | MHD_ALLOW_SUSPEND_RESUME,
                               0, nullptr, nullptr, &Callbacks::on_request, this,
                               MHD_OPTION_NOTIFY_CONNECTION, &Callbacks::on_connection, this,
                               MHD_OPTION_CONNECTION_LIMIT, kDaemonConnectionsMax,
                               MHD_OPTION_CONNECTION_MEMORY_LIMIT, kHeadBytesMax, MHD_OPTION_END);
    PGWEIR_ASSERT(daemon_ != nullptr);
    const MHD_DaemonInfo* info = MHD_get_daemon_info(daemon_, MHD_DAEMON_INFO_EPOLL_FD);
    PGWEIR_ASSERT(info != nullptr);
    poll_ = make_handle<uv_poll_t>(this, [&](uv_poll_t* poll) {
        PGWEIR_ASSERT(uv_poll_init(loop_, poll, info->epoll_fd) == 0);
    });
    uv_poll_start(poll_.get(), UV_READABLE,
                  [](uv_poll_t* poll, int, int) { static_cast<HttpServer*>(poll->data)->run(); });
    listener_.start();
}

void HttpServer::accept(UniqueFd socket) {
    SocketAddress address;
    address.length = sizeof(address.storage);
    if (::getpeername(socket.get(), address.get(), &address.length) != 0) return;
    // It owns the socket, whatever becomes of it.
    if (MHD_add_connection(daemon_, socket.release(), address.get(), address.length) == MHD_YES) {
        run();
    }
}

void HttpServer::begin(Connection& connection) {
    connection.deadline = clock_now() + request_timeout_;
    if (connections_.size() > connections_max_) make_room();
    watch_deadlines();
}

// Requests that wait for their answer stay; if all do, the newest connection has to go.
void HttpServer::make_room() {
    const auto may_go = [](const std::unique_ptr<Connection>& each) {
        return !each->is_cut && !each->request && !each->answer;
    };
    const auto oldest = std::find_if(connections_.begin(), connections_.end(), may_go);
    if (oldest != connections_.end()) cut(**oldest);
}

void HttpServer::run() {
    MHD_run(daemon_);
    for (HttpRequested& request : std::exchange(arrived_, {})) owner_.on_http(std::move(request));
    MHD_UNSIGNED_LONG_LONG wait_ms = 0;
    if (MHD_get_timeout(daemon_, &wait_ms) == MHD_YES) run_after(wait_ms);
}

void HttpServer::run_after(std::uint64_t wait_ms) {
    uv_timer_start(
        again_.get(), [](uv_timer_t* timer) { static_cast<HttpServer*>(timer->data)->run(); },
        wait_ms, 0);
}

void HttpServer::ask(Connection& connection, wire::HttpRequest request) {
    connection.request = HttpRequestId{++last_request_};
    asked_[connection.request] = &connection;
    arrived_.push_back({connection.request, std::move(request)});
    MHD_suspend_connection(connection.handle);
}

void HttpServer::answer(AnswerHttp answer) {
    const auto found = asked_.find(answer.id);
    if (found == asked_.end()) return;
    Connection& connection = *found->second;
    asked_.erase(found);
    connection.request = {};
    connection.answer = std::move(answer.answer);
    connection.deadline = clock_now() + request_timeout_;
    MHD_resume_connection(connection.handle);
    // Its descriptor says nothing of that.
    run_after(0);
}

void HttpServer::cut(Connection& connection) {
    connection.is_cut = true;
    ::shutdown(connection.fd, SHUT_RDWR);
}

// A list that is short, walked while it is not empty.
void HttpServer::watch_deadlines() {
    if (uv_is_active(reinterpret_cast<uv_handle_t*>(tick_.get())) != 0) return;
    uv_timer_start(
        tick_.get(), [](uv_timer_t* timer) { static_cast<HttpServer*>(timer->data)->on_tick(); },
        kTickMs, kTickMs);
}

void HttpServer::on_tick() {
    const Instant now = clock_now();
    for (const auto& connection : connections_) {
        const bool is_late = !connection->request && now >= connection->deadline;
        if (is_late && !connection->is_cut) cut(*connection);
    }
    if (connections_.empty()) uv_timer_stop(tick_.get());
}

}  // namespace pgweir::io
