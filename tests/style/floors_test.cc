// SPDX-License-Identifier: PostgreSQL
// Floors and bans. A floor includes only what src/CMakeLists.txt lets it link, and that only from
// floors below it; nothing below io knows sockets, clocks, files, threads or chance.
#include <doctest/doctest.h>

#include <map>
#include <optional>
#include <regex>
#include <set>

#include "style/source_files.h"

using namespace pgweir::style;

namespace {

// The height of each floor; floors of one height are beside each other.
const std::map<std::string, int> kHeight = {
    {"base", 0}, {"wire", 1},  {"sql", 1},   {"config", 1}, {"auth", 2}, {"cluster", 2},
    {"pool", 2}, {"route", 3}, {"admin", 3}, {"proxy", 4},  {"io", 5},   {"session", 3},
};
const std::string kMain = "main";

// What may be included from floor to floor: the pgweir_floor(…) lines of src/CMakeLists.txt.
std::map<std::string, std::set<std::string>> linked_floors() {
    std::map<std::string, std::set<std::string>> linked;
    const std::regex line_pattern("^pgweir_floor\\((\\w+)((?: \\w+)*)\\)$");
    const std::regex word_pattern("\\w+");
    for (const SourceFile& file : files_under({"src"}, {"CMakeLists.txt"})) {
        for (const std::string& line : file.lines) {
            std::smatch match;
            if (!std::regex_match(line, match, line_pattern)) continue;
            std::set<std::string>& below = linked[match[1]];
            const std::string names = match[2];
            std::sregex_iterator word(names.begin(), names.end(), word_pattern);
            for (; word != std::sregex_iterator(); ++word) below.insert(word->str());
        }
    }
    return linked;
}

// "wire" for src/wire/x.cc and include/pgweir/wire/x.h; "main" for src/x.cc.
std::string floor_of(const std::string& path) {
    for (const std::string root : {"src/", "include/pgweir/"}) {
        if (!path.starts_with(root)) continue;
        const std::size_t slash = path.find('/', root.size());
        if (slash != std::string::npos) return path.substr(root.size(), slash - root.size());
    }
    return kMain;
}

struct Include {
    std::string path;
    bool in_quotes = false;
};

std::optional<Include> include_of(const std::string& line) {
    if (line.find("include") == std::string::npos) return std::nullopt;
    std::smatch match;
    static const std::regex kPattern("^\\s*#\\s*include\\s*([<\"])([^>\"]+)[>\"].*");
    if (!std::regex_match(line, match, kPattern)) return std::nullopt;
    return Include{match[2], match[1] == "\""};
}

std::string where_floor_stands(const std::string& floor, const std::string& other) {
    const int difference = kHeight.at(other) - kHeight.at(floor);
    if (difference > 0) return other + " is above " + floor;
    if (difference == 0) return other + " is beside " + floor;
    return "src/CMakeLists.txt does not link " + floor + " with " + other;
}

// Nothing if `floor` may include this; otherwise why not, and what to write instead.
std::optional<std::string> floor_violation(const std::string& floor, const Include& include) {
    if (!include.in_quotes) return std::nullopt;
    static const auto kLinked = linked_floors();
    std::smatch match;
    static const std::regex kPublic("^pgweir/(\\w+)/.*");
    static const std::regex kPrivate("^(\\w+)/.*");
    if (std::regex_match(include.path, match, kPublic)) {
        const std::string other = match[1];
        if (!kHeight.contains(other)) return other + " is no floor; floors are folders of src/";
        if (floor == other || floor == "io" || floor == kMain) return std::nullopt;
        const auto linked = kLinked.find(floor);
        if (linked != kLinked.end() && linked->second.contains(other)) return std::nullopt;
        return where_floor_stands(floor, other) +
               ". Let proxy join the two, or move what both need to a floor below both";
    }
    if (!std::regex_match(include.path, match, kPrivate)) return std::nullopt;
    const std::string other = match[1];
    if (!kHeight.contains(other)) return std::nullopt;
    if (floor == other || floor == kMain) return std::nullopt;
    return include.path + " is private to " + other + ". Include pgweir/" + other +
           "/…, or make the header public by moving it there";
}

// What the core may not include or say. `except` are floors that may all the same.
struct IncludeBan {
    std::regex pattern;
    const char* instead;
    std::set<std::string> except = {};
};
const std::vector<IncludeBan> kIncludeBans = {
    {std::regex("uv\\.h"), "return an effect; io executes it"},
    {std::regex("libpq-fe\\.h"), "libpq belongs to io/prober"},
    {std::regex("pg_query.*"), "PostgreSQL's grammar belongs to sql", {"sql"}},
    {std::regex("openssl/(ssl|bio|err)\\.h"),
     "TLS belongs to io/tls; the core is told ClientSecured"},
    {std::regex("openssl/.*"), "cryptography belongs to auth", {"auth"}},
    {std::regex("nlohmann/.*"), "JSON belongs to admin", {"admin"}},
    {std::regex("microhttpd\\.h"), "HTTP belongs to io/http_server; wire/http.h has its values"},
    {std::regex("spdlog/.*"), "use pgweir/base/log.h or the effect WriteLog"},
    {std::regex("(sys|netinet|arpa|net)/.*"), "sockets and files belong to io; return an effect"},
    {std::regex("(unistd|fcntl|poll|netdb|signal|pthread|dirent)\\.h"), "the system belongs to io"},
    {std::regex("csignal|thread|future|condition_variable|stop_token|semaphore|latch|barrier"),
     "workers share nothing; send a Message with the effect Post"},
    {std::regex("mutex|shared_mutex"), "workers share nothing but pool/limits", {"pool"}},
    {std::regex("fstream|iostream|filesystem|stdio\\.h"), "files belong to io; take the text"},
    {std::regex("chrono|ctime|time\\.h"), "take `Instant now` (pgweir/base/instant.h)"},
    {std::regex("random"), "take a Random& (pgweir/base/random.h), for secrets an Entropy&"},
    {std::regex("cassert|assert\\.h"), "use PGWEIR_ASSERT (pgweir/base/assert.h)"},
};

// A word that ends in a parenthesis is a call.
struct WordBan {
    std::vector<std::string> words;
    const char* instead;
    std::set<std::string> except = {};
};
const std::vector<WordBan> kWordBans = {
    {{"steady_clock", "system_clock", "high_resolution_clock", "clock_gettime(", "gettimeofday(",
      "localtime(", "gmtime(", "time(nullptr)", "time(NULL)", "time(0)"},
     "take `Instant now`: the core never asks what time it is"},
    {{"rand(", "srand(", "drand48(", "getrandom(", "random_device", "RAND_bytes(",
      "RAND_priv_bytes("},
     "take a Random&, for secrets an Entropy&, so that a run repeats"},
    {{"getenv(", "secure_getenv("}, "make it an option; io reads it"},
    {{"throw"}, "return a Result; only unusable configuration throws", {"config"}},
    {{"printf(", "fprintf(", "puts(", "cerr", "cout"}, "use the effect WriteLog"},
    {{"fopen(", "fdopen(", "fread(", "fwrite("}, "files belong to io; take the text"},
    {{"abort(", "exit(", "quick_exit(", "std::terminate("}, "use PGWEIR_ASSERT"},
    {{"assert("}, "use PGWEIR_ASSERT, on in release"},
};

bool is_part_of_name(char c) {
    return std::isalnum(static_cast<unsigned char>(c)) || c == '_';
}

// True if `code` has `word` as a name of its own, or the call of it.
bool says(std::string_view code, const std::string& word) {
    for (std::size_t at = code.find(word); at != code.npos; at = code.find(word, at + 1)) {
        const std::size_t end = at + word.size();
        if (at > 0 && is_part_of_name(code[at - 1])) continue;
        if (is_part_of_name(word.back()) && end < code.size() && is_part_of_name(code[end])) {
            continue;
        }
        return true;
    }
    return false;
}

// Ends the process and says why, before anybody could execute an effect.
const std::string kLastWords = "src/base/assert.cc";

bool is_core(const SourceFile& file) {
    const std::string floor = floor_of(file.path);
    return floor != "io" && floor != kMain && file.path != kLastWords;
}

std::vector<SourceFile> product() {
    return files_under({"src", "include"}, {".h", ".cc"});
}

// What the file breaks with this line.
std::vector<std::string> violations(const SourceFile& file, const std::string& line) {
    const std::string floor = floor_of(file.path);
    std::vector<std::string> found;
    if (const auto include = include_of(line)) {
        if (const auto why = floor_violation(floor, *include)) {
            found.push_back("may not include \"" + include->path + "\": " + *why);
        }
        if (!is_core(file)) return found;
        for (const IncludeBan& ban : kIncludeBans) {
            if (ban.except.contains(floor)) continue;
            if (!std::regex_match(include->path, ban.pattern)) continue;
            found.push_back("may not include <" + include->path + ">: " + ban.instead);
            break;
        }
        return found;
    }
    if (!is_core(file)) return found;
    const std::string code = code_of(line);
    for (const WordBan& ban : kWordBans) {
        if (ban.except.contains(floor)) continue;
        for (const std::string& word : ban.words) {
            if (!says(code, word)) continue;
            found.push_back("may not say `" + word + "`: " + ban.instead);
        }
    }
    return found;
}

}  // namespace

TEST_CASE("src/CMakeLists.txt links only downwards") {
    const auto linked = linked_floors();
    CHECK(linked.size() == kHeight.size());
    Report report;
    for (const auto& [floor, below] : linked) {
        REQUIRE_MESSAGE(kHeight.contains(floor), floor, " has no height in floors_test.cc");
        for (const std::string& other : below) {
            if (kHeight.at(other) >= kHeight.at(floor)) {
                report.add(floor + " links " + other + ": " + where_floor_stands(floor, other));
            }
        }
    }
    CHECK_MESSAGE(report.text().empty(), report.text());
}

TEST_CASE("every file includes and says only what its floor may know") {
    Report report;
    const auto files = product();
    REQUIRE(files.size() > 20);
    for (const SourceFile& file : files) {
        for (std::size_t i = 0; i < file.lines.size(); ++i) {
            for (const std::string& violation : violations(file, file.lines[i])) {
                report.add(file.at(i) + " " + violation);
            }
        }
    }
    CHECK_MESSAGE(report.text().empty(), report.text());
}

TEST_CASE("the rules catch what they are for") {
    const SourceFile pool{"src/pool/pool.cc", {}};
    CHECK(violations(pool, "#include \"pgweir/wire/tags.h\"").size() == 1);
    CHECK(violations(pool, "#include \"pgweir/proxy/proxy.h\"").size() == 1);
    CHECK(violations(pool, "#include \"wire/private.h\"").size() == 1);
    CHECK(violations(pool, "#include <uv.h>").size() == 1);
    CHECK(violations(pool, "#include <sys/socket.h>").size() == 1);
    CHECK(violations(pool, "    auto now = std::chrono::steady_clock::now();").size() == 1);
    CHECK(violations(pool, "    if (getenv(\"HOME\")) return;").size() == 1);
    CHECK(violations(pool, "    int n = rand();").size() == 1);
    CHECK(violations(pool, "    throw 1;").size() == 1);
    CHECK(violations(pool, "#include \"pgweir/config/settings.h\"").empty());
    CHECK(violations(pool, "#include \"pgweir/pool/pool.h\"").empty());
    CHECK(violations(pool, "#include <mutex>").empty());
    CHECK(violations(pool, "    // We throw nothing and call no rand().").empty());
    CHECK(violations(pool, "    say(\"getenv(\");").empty());
    const SourceFile stream{"src/io/stream.cc", {}};
    CHECK(violations(stream, "#include <uv.h>").empty());
    CHECK(violations(stream, "#include \"pgweir/session/effect.h\"").empty());
    CHECK(violations(stream, "#include \"proxy/private.h\"").size() == 1);
    const SourceFile wire{"src/wire/fields.cc", {}};
    CHECK(violations(wire, "#include \"pgweir/sql/shape.h\"").size() == 1);
    CHECK(violations(wire, "#include <openssl/evp.h>").size() == 1);
    CHECK(violations(SourceFile{"src/auth/x.cc", {}}, "#include <openssl/evp.h>").empty());
    CHECK(violations(SourceFile{"src/auth/x.cc", {}}, "#include <openssl/ssl.h>").size() == 1);
}
