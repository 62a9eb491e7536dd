// SPDX-License-Identifier: PostgreSQL
// From a text to its verdict. A fast lexer folds literals and white space into the text's shape and
// hashes it in the same pass; the verdicts of shapes are cached, bounded in bytes. A miss asks
// PostgreSQL's own grammar (libpg_query).
//
// What can't be parsed, or is not known, is no read. The text is exactly what PostgreSQL would run:
// it ends at its first zero byte.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "pgweir/sql/catalog.h"
#include "pgweir/sql/verdict.h"

namespace pgweir::sql {

struct ClassifierLimits {
    std::uint64_t cache_bytes_max = 4U << 20;  // For the verdicts of shapes.
    std::size_t text_bytes_max = 1U << 20;     // Longer texts are Reason::NotParsed.
};

// What a text is and why, in words, for EXPLAIN ROUTE. One line each, for people.
struct Explanation {
    Verdict verdict;
    std::string shape;               // The text with its literals folded.
    std::vector<std::string> words;  // "calls nextval(), which is volatile", …; empty for a read.
};

struct ShapeCount {
    std::string shape;
    Verdict verdict;
    std::uint64_t statements = 0;
    std::uint64_t retries = 0;  // Reads that a standby refused and that ran again elsewhere.
};

// What the text is for pgweir itself: "consistency" and "strong" of SET pgweir.consistency =
// 'strong'. Value empty for RESET and SHOW (and for SET … TO DEFAULT, which is a Reset).
struct OwnSetting {
    OwnCommand command = OwnCommand::None;
    std::string name;  // Without "pgweir.", in lower case.
    std::string value;
    bool is_local = false;  // SET LOCAL.
};

class Classifier {
 public:
    // `seed`: secret; no client can make two shapes collide.
    Classifier(ClassifierLimits limits, std::uint64_t seed);
    Classifier(const Classifier&) = delete;
    Classifier& operator=(const Classifier&) = delete;
    ~Classifier();

    // `catalog` may be null: then everything that needs one is Reason::NoCatalog.
    // `standard_conforming_strings`: as the client's session has it (PostgreSQL reports it); off
    // makes a backslash in '…' an escape, and a text with one is then Reason::NotParsed.
    // Allocates nothing if the shape is known.
    struct Question {
        std::string_view text;
        const Catalog* catalog = nullptr;
        bool standard_conforming_strings = true;
        // False for the client encodings in which a byte of a longer character may look like
        // ASCII, e.g. like a backslash (is_ascii_transparent()): a text with a byte above 0x7F is
        // then Reason::NotParsed.
        bool is_ascii_transparent = true;
    };
    Verdict classify(const Question& question);

    Explanation explain(const Question& question) const;

    // Of a client_encoding, as PostgreSQL reports it.
    static bool is_ascii_transparent(std::string_view client_encoding);

    // OwnCommand::None if the text is nothing of the kind.
    static OwnSetting own_setting(std::string_view text);

    // A standby refused this text although it was judged a read: its shape is none from now on.
    // Reason::Learned stays until the catalog's generation changes.
    void learn_write(const Question& question);

    // The shapes that were asked for most, most first, for SHOW ROUTES.
    std::vector<ShapeCount> top_shapes(std::size_t n) const;

    // Memory, in bytes: verdicts, the texts of the top shapes, the room in which texts are read.
    std::uint64_t cache_bytes() const;
    std::size_t cache_size() const;
    std::uint64_t hits() const;
    std::uint64_t misses() const;

 private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace pgweir::sql
