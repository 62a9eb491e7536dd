// SPDX-License-Identifier: PostgreSQL
#include "script.h"

#include <algorithm>
#include <fstream>
#include <sstream>

#include "message_words.h"
#include "process.h"

namespace pgweir::integration::oracle {
namespace {

std::vector<std::string> words_of(const std::string& text) {
    std::istringstream stream(text);
    std::vector<std::string> words;
    for (std::string word; stream >> word;) words.push_back(word);
    return words;
}

bool is_sign(char c) {
    return c == '>' || c == '?' || c == '<' || c == '!';
}

class ScriptReader {
 public:
    explicit ScriptReader(const std::filesystem::path& path)
        : name_(path.filename().string()), file_(path) {}

    std::vector<Conversation> read() {
        for (std::string line; std::getline(file_, line);) {
            ++number_;
            if (line.empty() || line[0] == '#') continue;
            try {
                take(line);
            } catch (const std::exception& problem) {
                throw HarnessError(place() + ": " + problem.what());
            }
        }
        return std::move(conversations_);
    }

 private:
    std::string place() const { return name_ + ":" + std::to_string(number_); }

    void take(const std::string& line) {
        static const std::string kTitle = "conversation ";
        if (line.starts_with(kTitle)) {
            conversations_.emplace_back();
            conversations_.back().title = line.substr(kTitle.size());
            conversations_.back().place = place();
            return;
        }
        if (conversations_.empty()) throw HarnessError("no conversation has begun");
        if (is_sign(line[0])) return sign(line[0], 'A', line.substr(1));
        if (line.size() > 1 && line[0] >= 'A' && line[0] <= 'Z' && is_sign(line[1])) {
            return sign(line[1], line[0], line.substr(2));
        }
        header(line);
    }

    void header(const std::string& line) {
        Conversation& conversation = conversations_.back();
        const auto words = words_of(line);
        if (!conversation.steps.empty()) throw HarnessError("neither a sign nor a title: " + line);
        if (line == "needs transactions") {
            conversation.needs = Needs::Transactions;
        } else if (line == "needs session") {
            conversation.needs = Needs::Session;
        } else if (line == "tables") {
            conversation.has_tables = true;
        } else if (line == "stains") {
            conversation.stains = true;
        } else if (line == "bare") {
            conversation.is_bare = true;
        } else if (words[0] == "login") {
            for (std::size_t i = 1; i < words.size(); ++i) {
                const auto equals = words[i].find('=');
                conversation.login.emplace_back(words[i].substr(0, equals),
                                                words[i].substr(equals + 1));
            }
        } else {
            throw HarnessError("neither a sign nor a need: " + line);
        }
    }

    void sign(char sign, char client, std::string rest) {
        if (!rest.empty() && rest[0] == ' ') rest.erase(0, 1);
        auto& steps = conversations_.back().steps;
        Step step;
        step.client = client;
        if (sign == '>' || sign == '?') {
            step.bytes = bytes_of(rest);
            step.last_type = step.bytes.empty() ? '\0' : step.bytes[0];
            steps.push_back(step);
        }
        if (sign == '<' || sign == '?') {
            step.kind = Step::Kind::Hear;
            step.bytes.clear();
            step.awaits = sign == '?' ? std::vector<std::string>{"Z"} : words_of(rest);
            steps.push_back(step);
        }
        if (sign == '!') {
            step.kind = Step::Kind::Act;
            step.action = rest;
            steps.push_back(step);
        }
    }

    std::string name_;
    std::ifstream file_;
    int number_ = 0;
    std::vector<Conversation> conversations_;
};

}  // namespace

bool Conversation::has_two_clients() const {
    return std::any_of(steps.begin(), steps.end(),
                       [](const Step& step) { return step.client != 'A'; });
}

std::vector<Conversation> read_conversations(const std::filesystem::path& folder) {
    std::vector<std::filesystem::path> paths;
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
        if (entry.path().extension() == ".txt") paths.push_back(entry.path());
    }
    std::sort(paths.begin(), paths.end());
    std::vector<Conversation> all;
    for (const auto& path : paths) {
        auto some = ScriptReader(path).read();
        all.insert(all.end(), some.begin(), some.end());
    }
    return all;
}

}  // namespace pgweir::integration::oracle
