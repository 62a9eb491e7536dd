// SPDX-License-Identifier: PostgreSQL
// A client of bare sockets.
#include "raw_client.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/bn.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace pgweir::integration {
namespace {

int connect_tcp(const Target& target) {
    int descriptor = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(target.port);
    ::inet_pton(AF_INET, target.host.c_str(), &address.sin_addr);
    if (::connect(descriptor, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
        ::close(descriptor);
        throw HarnessError("connect to port " + std::to_string(target.port) + ": " +
                           std::strerror(errno));
    }
    int on = 1;
    ::setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return descriptor;
}

int connect_unix(const Target& target) {
    int descriptor = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::string path = target.host + "/.s.PGSQL." + std::to_string(target.port);
    if (path.size() >= sizeof address.sun_path) throw HarnessError("path too long: " + path);
    std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
    if (::connect(descriptor, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
        ::close(descriptor);
        throw HarnessError("connect to " + path + ": " + std::strerror(errno));
    }
    return descriptor;
}

std::string md5_hex(const std::string& text) {
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned int length = 0;
    EVP_Digest(text.data(), text.size(), digest, &length, EVP_md5(), nullptr);
    std::string hex;
    for (unsigned int i = 0; i < length; ++i) {
        hex += "0123456789abcdef"[digest[i] >> 4];
        hex += "0123456789abcdef"[digest[i] & 15];
    }
    return hex;
}

std::size_t length_at(std::string_view bytes) {
    std::size_t value = 0;
    for (char c : bytes.substr(0, 4)) value = value << 8 | static_cast<unsigned char>(c);
    return value;
}

}  // namespace

RawClient::RawClient(const Target& target)
    : target_(target), context_(nullptr, &SSL_CTX_free), tls_(nullptr, &SSL_free) {
    bool is_unix = !target.host.empty() && target.host[0] == '/';
    socket_ = is_unix ? connect_unix(target) : connect_tcp(target);
    auto limit = std::chrono::duration_cast<std::chrono::seconds>(patience());
    timeval time{.tv_sec = limit.count(), .tv_usec = 0};
    ::setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &time, sizeof time);
    ::setsockopt(socket_, SOL_SOCKET, SO_SNDTIMEO, &time, sizeof time);
}

RawClient::~RawClient() {
    close();
}

void RawClient::close(End how) {
    if (socket_ < 0) return;
    if (how == End::Reset) {
        linger now{.l_onoff = 1, .l_linger = 0};
        ::setsockopt(socket_, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    }
    ::close(socket_);
    socket_ = -1;
}

void RawClient::shut_down_sending() {
    ::shutdown(socket_, SHUT_WR);
}

void RawClient::send(std::string_view bytes) {
    while (!bytes.empty()) {
        ssize_t count = tls_ ? SSL_write(tls_.get(), bytes.data(), static_cast<int>(bytes.size()))
                             : ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (count <= 0) {
            if (!tls_ && errno == EAGAIN) throw HarnessError("the peer does not read in time");
            return;
        }
        bytes.remove_prefix(static_cast<std::size_t>(count));
    }
}

void RawClient::send_bytewise(std::string_view bytes) {
    for (char c : bytes) send(std::string_view(&c, 1));
}

std::size_t RawClient::send_some(std::string_view bytes) {
    ssize_t count = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    return count < 0 ? 0 : static_cast<std::size_t>(count);
}

bool RawClient::fill() {
    if (ended_) return false;
    char buffer[65536];
    ssize_t count = 0;
    do {
        errno = 0;
        count = tls_ ? SSL_read(tls_.get(), buffer, sizeof buffer)
                     : ::recv(socket_, buffer, sizeof buffer, 0);
    } while (count < 0 && errno == EINTR);
    if (count > 0) {
        unread_.append(buffer, static_cast<std::size_t>(count));
        return true;
    }
    if (count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
        std::string heard;
        for (const auto& line : transcript_) heard += "\n  " + line;
        throw HarnessError("no message came in time; so far:" + heard);
    }
    ended_ = true;
    return false;
}

char RawClient::read_byte() {
    while (unread_.empty()) {
        if (!fill()) return 0;
    }
    char byte = unread_.front();
    unread_.erase(0, 1);
    return byte;
}

std::optional<Message> RawClient::read() {
    auto end = [this]() -> std::optional<Message> {
        if (transcript_.empty() || transcript_.back() != "closed") transcript_.push_back("closed");
        return std::nullopt;
    };
    while (unread_.size() < 5) {
        if (!fill()) return end();
    }
    std::size_t total = 1 + length_at(std::string_view(unread_).substr(1));
    while (unread_.size() < total) {
        if (!fill()) return end();
    }
    Message message{.type = unread_[0], .body = unread_.substr(5, total - 5)};
    unread_.erase(0, total);
    transcript_.push_back(describe(message));
    if (message.type == 'K') {
        process_ = static_cast<std::int64_t>(length_at(message.body));
        key_ = message.body.substr(4);
    }
    return message;
}

std::vector<Message> RawClient::read_until(char type) {
    std::vector<Message> messages;
    while (auto message = read()) {
        messages.push_back(*message);
        if (message->type == type) break;
    }
    return messages;
}

std::vector<Message> RawClient::read_to_end() {
    return read_until('\0');
}

bool RawClient::has_something(std::chrono::milliseconds within) {
    if (!unread_.empty() || ended_) return true;
    if (tls_ && SSL_pending(tls_.get()) > 0) return true;
    pollfd entry{.fd = socket_, .events = POLLIN, .revents = 0};
    return ::poll(&entry, 1, static_cast<int>(within.count())) > 0;
}

bool RawClient::is_silent() {
    return !has_something(std::chrono::milliseconds(200));
}

bool RawClient::start_tls(const TlsWishes& wishes) {
    context_.reset(SSL_CTX_new(TLS_client_method()));
    if (!wishes.certificate.empty()) {
        SSL_CTX_use_certificate_chain_file(context_.get(), wishes.certificate.c_str());
        SSL_CTX_use_PrivateKey_file(context_.get(), wishes.key.c_str(), SSL_FILETYPE_PEM);
    }
    tls_.reset(SSL_new(context_.get()));
    if (wishes.alpn) {
        static constexpr unsigned char kProtocol[] = "\x0apostgresql";
        SSL_set_alpn_protos(tls_.get(), kProtocol, sizeof kProtocol - 1);
    }
    SSL_set_fd(tls_.get(), socket_);
    return SSL_connect(tls_.get()) == 1;
}

std::string RawClient::peer_serial() const {
    std::unique_ptr<X509, void (*)(X509*)> certificate(SSL_get1_peer_certificate(tls_.get()),
                                                       &X509_free);
    if (!certificate) return "";
    std::unique_ptr<BIGNUM, void (*)(BIGNUM*)> number(
        ASN1_INTEGER_to_BN(X509_get0_serialNumber(certificate.get()), nullptr), &BN_free);
    char* hex = BN_bn2hex(number.get());
    std::string text = hex;
    OPENSSL_free(hex);
    return text;
}

void RawClient::login(const Parameters& more) {
    Parameters parameters{{"user", target_.user}, {"database", target_.database}};
    parameters.insert(parameters.end(), more.begin(), more.end());
    send(startup(parameters));
    auto messages = read_until_ready();
    if (messages.empty() || messages.back().type != 'Z') {
        std::string heard;
        for (const auto& line : transcript_) heard += "\n  " + line;
        throw HarnessError("can't log in:" + heard);
    }
    forget_transcript();
}

std::vector<Message> RawClient::finish_login(const std::string& password) {
    std::vector<Message> messages;
    while (auto message = read()) {
        messages.push_back(*message);
        if (message->type == 'Z' || message->type == 'E') break;
        if (message->type != 'R') continue;
        if (message->body.substr(0, 4) == int32(3)) send(password_message(password));
        if (message->body.substr(0, 4) == int32(5)) {
            std::string inner = md5_hex(password + target_.user);
            send(password_message("md5" + md5_hex(inner + message->body.substr(4, 4))));
        }
    }
    return messages;
}

std::vector<Message> RawClient::ask(std::string_view bytes) {
    send(bytes);
    return read_until_ready();
}

}  // namespace pgweir::integration
