// SPDX-License-Identifier: PostgreSQL
// The types that an option can have: how each is read from a raw value, and how it is written.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "pgweir/base/instant.h"
#include "pgweir/base/log.h"
#include "pgweir/config/server_auth.h"
#include "pgweir/config/tls_mode.h"

namespace pgweir::config {

// How many of something.
using Count = std::uint32_t;

// An amount of memory; written as 65536 or "64KiB".
struct ByteSize {
    std::uint64_t bytes = 0;
    auto operator<=>(const ByteSize&) const = default;
};
constexpr ByteSize kib(std::uint64_t n) {
    return {n * 1024};
}
constexpr ByteSize mib(std::uint64_t n) {
    return {n * 1024 * 1024};
}

// Permissions of a file; written as "0600".
struct FileMode {
    std::uint32_t bits = 0;
    auto operator<=>(const FileMode&) const = default;
};

using TextList = std::vector<std::string>;

// When a server goes back to its pool.
enum class PoolMode : std::uint8_t { Session, Transaction, Statement };

// How a client proves who it is.
enum class AuthMethod : std::uint8_t {
    Reject,
    Trust,        // No proof; the user must be known.
    Any,          // No proof, and the user need not be known.
    Password,     // In clear: over TLS only, if at all.
    Md5,          // As in PostgreSQL, a user with a SCRAM verifier is asked for SCRAM.
    ScramSha256,  // With channel binding (-PLUS) where TLS allows it.
    Cert,         // The CN of a verified client certificate is the user.
    Peer,         // The operating system's user behind a Unix socket is the user.
};

// Whether reads are spread over standbys.
enum class Split : std::uint8_t {
    Off,     // Everything runs on the primary.
    On,      // Reads run on standbys.
    Shadow,  // Everything runs on the primary; what splitting would do is counted and shown.
};

// What a read has to see; see [routing] consistency.
enum class ReadConsistency : std::uint8_t { Eventual, Session, Strong, Primary };

// What the primary does for reads.
enum class ReadsOnPrimary : std::uint8_t { Never, Fallback, Share };

// Where the units of a database go.
enum class DatabaseRoute : std::uint8_t {
    Auto,     // As their statements say.
    Primary,  // All to the primary.
    Replica,  // All to standbys: a read-only alias.
};

// A protocol version of TLS.
enum class TlsVersion : std::uint8_t { Tls12, Tls13 };

// What an enumeration's values are called in a configuration.
template <typename Enum>
struct EnumName {
    Enum value;
    std::string_view name;
};
template <typename Enum>
inline constexpr std::array<EnumName<Enum>, 0> kEnumNames{};
template <>
inline constexpr std::array<EnumName<PoolMode>, 3> kEnumNames<PoolMode>{{
    {PoolMode::Session, "session"},
    {PoolMode::Transaction, "transaction"},
    {PoolMode::Statement, "statement"},
}};
template <>
inline constexpr std::array<EnumName<Split>, 3> kEnumNames<Split>{{
    {Split::Off, "off"},
    {Split::On, "on"},
    {Split::Shadow, "shadow"},
}};
template <>
inline constexpr std::array<EnumName<ReadConsistency>, 4> kEnumNames<ReadConsistency>{{
    {ReadConsistency::Eventual, "eventual"},
    {ReadConsistency::Session, "session"},
    {ReadConsistency::Strong, "strong"},
    {ReadConsistency::Primary, "primary"},
}};
template <>
inline constexpr std::array<EnumName<ReadsOnPrimary>, 3> kEnumNames<ReadsOnPrimary>{{
    {ReadsOnPrimary::Never, "never"},
    {ReadsOnPrimary::Fallback, "fallback"},
    {ReadsOnPrimary::Share, "share"},
}};
template <>
inline constexpr std::array<EnumName<DatabaseRoute>, 3> kEnumNames<DatabaseRoute>{{
    {DatabaseRoute::Auto, "auto"},
    {DatabaseRoute::Primary, "primary"},
    {DatabaseRoute::Replica, "replica"},
}};
template <>
inline constexpr std::array<EnumName<AuthMethod>, 8> kEnumNames<AuthMethod>{{
    {AuthMethod::Reject, "reject"},
    {AuthMethod::Trust, "trust"},
    {AuthMethod::Any, "any"},
    {AuthMethod::Password, "password"},
    {AuthMethod::Md5, "md5"},
    {AuthMethod::ScramSha256, "scram-sha-256"},
    {AuthMethod::Cert, "cert"},
    {AuthMethod::Peer, "peer"},
}};
template <>
inline constexpr std::array<EnumName<TlsMode>, 6> kEnumNames<TlsMode>{{
    {TlsMode::Disable, "disable"},
    {TlsMode::Allow, "allow"},
    {TlsMode::Prefer, "prefer"},
    {TlsMode::Require, "require"},
    {TlsMode::VerifyCa, "verify-ca"},
    {TlsMode::VerifyFull, "verify-full"},
}};
template <>
inline constexpr std::array<EnumName<ChannelBinding>, 3> kEnumNames<ChannelBinding>{{
    {ChannelBinding::Disable, "disable"},
    {ChannelBinding::Prefer, "prefer"},
    {ChannelBinding::Require, "require"},
}};
template <>
inline constexpr std::array<EnumName<CleartextPassword>, 2> kEnumNames<CleartextPassword>{{
    {CleartextPassword::Protected, "protected"},
    {CleartextPassword::Anywhere, "anywhere"},
}};
template <>
inline constexpr std::array<EnumName<ProtocolVersion>, 2> kEnumNames<ProtocolVersion>{{
    {ProtocolVersion::V30, "3.0"},
    {ProtocolVersion::V32, "3.2"},
}};
template <>
inline constexpr std::array<EnumName<TlsVersion>, 2> kEnumNames<TlsVersion>{{
    {TlsVersion::Tls12, "1.2"},
    {TlsVersion::Tls13, "1.3"},
}};
template <>
inline constexpr std::array<EnumName<LogLevel>, 4> kEnumNames<LogLevel>{{
    {LogLevel::Debug, "debug"},
    {LogLevel::Info, "info"},
    {LogLevel::Warning, "warning"},
    {LogLevel::Error, "error"},
}};

template <typename Enum>
constexpr std::string_view enum_name(Enum value) {
    for (const auto& entry : kEnumNames<Enum>) {
        if (entry.value == value) return entry.name;
    }
    return "?";
}

// A value as a configuration file has it, before its option has judged it.
using RawValue = std::variant<bool, std::int64_t, double, std::string, TextList>;

// Why a raw value is none of the wanted type: the end of a sentence that begins with the option's
// name ("must be a whole number").
class ValueError : public std::runtime_error {
 public:
    using std::runtime_error::runtime_error;
};

// Reads a raw value; throws ValueError, and leaves the target as it was.
void read_into(bool& target, const RawValue& raw);
void read_into(Count& target, const RawValue& raw);
void read_into(Duration& target, const RawValue& raw);
void read_into(ByteSize& target, const RawValue& raw);
void read_into(FileMode& target, const RawValue& raw);
void read_into(std::string& target, const RawValue& raw);
void read_into(TextList& target, const RawValue& raw);
// "scram-sha-256,md5", as libpq writes it, or a list of those names.
void read_into(RequireAuth& target, const RawValue& raw);

// The position in `names` of the raw value; throws ValueError with the nearest name.
std::size_t read_enum(const RawValue& raw, std::span<const std::string_view> names);

template <typename Enum>
void read_into(Enum& target, const RawValue& raw) requires(std::is_enum_v<Enum>) {
    std::array<std::string_view, kEnumNames<Enum>.size()> names;
    for (std::size_t i = 0; i < names.size(); ++i) names[i] = kEnumNames<Enum>[i].name;
    target = kEnumNames<Enum>[read_enum(raw, names)].value;
}

template <typename T>
T read_value(const RawValue& raw) {
    T value{};
    read_into(value, raw);
    return value;
}

// For people: SHOW CONFIG, error texts.
std::string show_value(bool value);
std::string show_value(Count value);
std::string show_value(Duration value);
std::string show_value(ByteSize value);
std::string show_value(FileMode value);
std::string show_value(const std::string& value);
std::string show_value(const TextList& value);
std::string show_value(const RequireAuth& value);
template <typename Enum>
std::string show_value(Enum value) requires(std::is_enum_v<Enum>) {
    return std::string(enum_name(value));
}

// As TOML, so that reading it gives the same value again.
std::string quote_toml(std::string_view text);
std::string write_value(bool value);
std::string write_value(Count value);
std::string write_value(Duration value);
std::string write_value(ByteSize value);
std::string write_value(FileMode value);
std::string write_value(const std::string& value);
std::string write_value(const TextList& value);
std::string write_value(const RequireAuth& value);
template <typename Enum>
std::string write_value(Enum value) requires(std::is_enum_v<Enum>) {
    return quote_toml(enum_name(value));
}

}  // namespace pgweir::config
