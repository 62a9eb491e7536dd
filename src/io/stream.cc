// SPDX-License-Identifier: PostgreSQL
#include "io/stream.h"

#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "io/socket.h"

namespace pgweir::io {

namespace {

// Pieces below this size in all are cheaper to copy than to describe to the kernel.
constexpr std::size_t kCopyBytes = 4096;
constexpr std::size_t kPiecesMax = 64;
// The shared cipher buffer gives memory back beyond this.
constexpr std::size_t kCipherKeptBytes = 256 * 1024;

bool is_try_again(int error) {
    return error == EAGAIN || error == EWOULDBLOCK || error == EINTR || error == ENOBUFS;
}

std::size_t total_of(std::span<const ByteView> pieces) {
    std::size_t total = 0;
    for (const ByteView& piece : pieces) total += piece.size();
    return total;
}

}  // namespace

Stream* Stream::open(StreamShared& shared, StreamOwner& owner, Side side, std::uint64_t id,
                     UniqueFd fd) {
    auto* stream = new Stream(shared, owner, side, id, std::move(fd));
    if (uv_poll_init(shared.loop, &stream->poll_, stream->fd_.get()) != 0) {
        delete stream;
        return nullptr;
    }
    stream->poll_.data = stream;
    stream->watch();
    return stream;
}

Stream::Stream(StreamShared& shared, StreamOwner& owner, Side side, std::uint64_t id, UniqueFd fd)
    : shared_(shared), owner_(owner), id_(id), fd_(std::move(fd)), side_(side) {}

void Stream::on_poll(uv_poll_t* poll, int status, int events) {
    Stream& stream = *static_cast<Stream*>(poll->data);
    if (status < 0) return stream.on_error();
    if ((events & UV_WRITABLE) != 0) stream.on_writable();
    if ((events & UV_READABLE) != 0 && stream.reading_) stream.on_readable();
}

// The socket has failed, but what arrived before can still be read, and may say why.
void Stream::on_error() {
    watched_ = 0;  // libuv stops watching a socket that failed.
    output_failed();
    if (state_ == State::Closing || state_ == State::Broken) return;
    if (reading_) on_readable();
    if (state_ != State::Closing) watch();
}

void Stream::on_readable() {
    if (state_ == State::Finishing) return discard_input();
    if (state_ != State::Open) return;
    const ssize_t n = receive_now(fd_.get(), shared_.read_buffer.get(), StreamShared::kReadBytes);
    if (n > 0) {
        sent_last_ = false;
        const ByteView bytes(shared_.read_buffer.get(), static_cast<std::size_t>(n));
        if (tls_ == nullptr) return owner_.on_bytes(*this, bytes);
        return on_cipher(bytes);
    }
    if (n == 0) return fail("connection closed by the other side");
    if (!is_try_again(errno)) return fail(system_error_text(errno));
    if (output_failed_) fail("connection reset by the other side");
}

void Stream::on_cipher(ByteView cipher) {
    using Outcome = TlsSession::Outcome;
    tls_->give(cipher);
    if (!tls_->is_secured()) {
        const Outcome outcome = tls_->handshake(shared_.tls.cipher);
        flush_cipher();
        if (outcome == Outcome::NeedsInput) return;
        if (outcome != Outcome::Done) return fail("TLS handshake failed: " + tls_->failure());
        owner_.on_secured(*this, tls_->peer());
    }
    while (state_ == State::Open) {
        std::size_t n = 0;
        const Outcome outcome =
            tls_->read({shared_.tls.plain(), TlsBuffers::kPlainBytes}, n, shared_.tls.cipher);
        flush_cipher();
        if (n > 0 && state_ == State::Open) owner_.on_bytes(*this, {shared_.tls.plain(), n});
        if (outcome == Outcome::NeedsInput) return;
        if (outcome == Outcome::Ended) fail("connection closed by the other side");
        if (outcome == Outcome::Failed) fail("TLS error: " + tls_->failure());
    }
    tls_->drop_input();
}

// The other side may still be sending. Closing a socket with unread bytes would send a reset, and
// the reset could overtake what we said last.
void Stream::discard_input() {
    const ssize_t n = receive_now(fd_.get(), shared_.read_buffer.get(), StreamShared::kReadBytes);
    if (n > 0 || (n < 0 && is_try_again(errno))) return;
    owner_.on_finished(*this);
}

void Stream::send(std::span<const ByteView> pieces) {
    if (state_ != State::Open || output_failed_) return;
    sent_last_ = true;
    if (tls_ != nullptr) return encrypt(pieces);
    send_plain(pieces);
}

void Stream::send_plain(std::span<const ByteView> pieces) {
    std::size_t taken = 0;
    if (out_.empty()) {
        const std::size_t total = total_of(pieces);
        taken = pieces.size() == 1 ? write_one(pieces[0]) : write_all(pieces, total);
        if (taken == total) return;
    }
    if (output_failed_) return;
    keep_rest(pieces, taken);
}

std::size_t Stream::write_one(ByteView piece) {
    return written(send_now(fd_.get(), piece.data(), piece.size()));
}

std::size_t Stream::write_all(std::span<const ByteView> pieces, std::size_t total) {
    if (total <= kCopyBytes) {
        std::array<Byte, kCopyBytes> copy;
        std::size_t used = 0;
        for (const ByteView& piece : pieces) {
            std::memcpy(copy.data() + used, piece.data(), piece.size());
            used += piece.size();
        }
        return write_one({copy.data(), total});
    }
    std::array<iovec, kPiecesMax> vectors;
    const std::size_t count = std::min(pieces.size(), kPiecesMax);
    for (std::size_t i = 0; i < count; ++i) {
        vectors[i] = {const_cast<Byte*>(pieces[i].data()), pieces[i].size()};
    }
    msghdr message{};
    message.msg_iov = vectors.data();
    message.msg_iovlen = count;
    return written(::sendmsg(fd_.get(), &message, MSG_NOSIGNAL | MSG_DONTWAIT));
}

std::size_t Stream::written(ssize_t n) {
    if (n >= 0) return static_cast<std::size_t>(n);
    if (!is_try_again(errno)) output_failed();
    return 0;
}

void Stream::keep_rest(std::span<const ByteView> pieces, std::size_t taken) {
    for (const ByteView& piece : pieces) {
        const std::size_t skipped = std::min(taken, piece.size());
        taken -= skipped;
        out_.append(piece.subspan(skipped));
    }
    watch();
    if (!blocked_ && out_.size() > shared_.high_watermark) {
        blocked_ = true;
        owner_.on_blocked(*this);
    }
}

void Stream::encrypt(std::span<const ByteView> pieces) {
    // Before the handshake has ended there is nobody to whom anything could be said.
    if (!tls_->is_secured()) return;
    Byte* record = shared_.tls.record();
    std::size_t used = 0;
    for (ByteView piece : pieces) {
        while (!piece.empty()) {
            const std::size_t n = std::min(piece.size(), TlsBuffers::kRecordBytes - used);
            std::memcpy(record + used, piece.data(), n);
            used += n;
            piece = piece.subspan(n);
            if (used < TlsBuffers::kRecordBytes) continue;
            encrypt_record({record, used});
            used = 0;
        }
    }
    if (used > 0) encrypt_record({record, used});
    flush_cipher();
}

void Stream::encrypt_record(ByteView plain) {
    if (output_failed_) return;
    const auto outcome = tls_->write(plain, shared_.tls.cipher);
    if (outcome != TlsSession::Outcome::Done) output_failed();
}

void Stream::flush_cipher() {
    Bytes& cipher = shared_.tls.cipher;
    if (cipher.empty()) return;
    const ByteView all(cipher);
    if (!output_failed_ && state_ != State::Closing) {
        send_plain(std::span<const ByteView>(&all, 1));
    }
    cipher.clear();
    if (cipher.capacity() > kCipherKeptBytes) Bytes().swap(cipher);
}

void Stream::on_writable() {
    if (out_.empty()) return watch();
    const std::size_t taken = write_one(out_.view());
    if (output_failed_) return;
    out_.consume(taken);
    if (out_.empty()) output_empty();
    if (blocked_ && out_.size() < shared_.low_watermark) {
        blocked_ = false;
        if (state_ == State::Open) owner_.on_drained(*this);
    }
}

void Stream::output_empty() {
    watch();
    if (state_ != State::Finishing) return;
    if (side_ == Side::Server) return owner_.on_finished(*this);
    ::shutdown(fd_.get(), SHUT_WR);
}

// What is said to nobody is dropped. Why the connection broke is learnt by reading, since the
// other side's last words may still be there; a client that is not being read has none.
void Stream::output_failed() {
    output_failed_ = true;
    out_.clear();
    if (state_ == State::Finishing) return owner_.on_finished(*this);
    if (state_ != State::Open) return;
    if (!reading_ && side_ == Side::Client) return fail("connection reset by the other side");
    if (watched_ != 0) watch();
}

void Stream::fail(std::string reason) {
    if (state_ != State::Open) return;
    state_ = State::Broken;
    out_.clear();
    watch();
    owner_.on_closed(*this, std::move(reason));
}

void Stream::start_tls(std::unique_ptr<TlsSession> session, ByteView received) {
    if (state_ != State::Open) return;
    tls_ = std::move(session);
    on_cipher(received);
}

void Stream::read_now() {
    if (reading_) on_readable();
}

void Stream::pause() {
    reading_ = false;
    watch();
}

void Stream::resume() {
    reading_ = true;
    watch();
}

// A client that was told something last gets the time to read it; for the others it is enough that
// the kernel has taken all.
void Stream::finish() {
    if (state_ != State::Open || output_failed_) return owner_.on_finished(*this);
    state_ = State::Finishing;
    if (tls_ != nullptr) {
        tls_->end(shared_.tls.cipher);
        flush_cipher();
        if (output_failed_) return;
    }
    const bool lingers = side_ == Side::Client && sent_last_;
    if (out_.empty() && !lingers) return owner_.on_finished(*this);
    reading_ = true;
    if (out_.empty()) return output_empty();
    watch();
}

void Stream::close() {
    if (state_ == State::Closing) return;
    state_ = State::Closing;
    reading_ = false;
    out_.clear();
    uv_close(reinterpret_cast<uv_handle_t*>(&poll_),
             [](uv_handle_t* handle) { delete static_cast<Stream*>(handle->data); });
    // The poll handle has let go of the descriptor; the kernel need not wait for the turn's end.
    fd_.reset();
}

void Stream::watch() {
    int wanted = 0;
    if (state_ == State::Open || state_ == State::Finishing) {
        if (reading_) wanted |= UV_READABLE;
        if (!out_.empty()) wanted |= UV_WRITABLE;
    }
    if (state_ == State::Closing || wanted == watched_) return;
    watched_ = static_cast<std::uint8_t>(wanted);
    if (wanted == 0) {
        uv_poll_stop(&poll_);
    } else {
        uv_poll_start(&poll_, wanted, &Stream::on_poll);
    }
}

}  // namespace pgweir::io
