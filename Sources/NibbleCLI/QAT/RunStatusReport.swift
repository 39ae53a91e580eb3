internal import Nibble

/// A run's status as text and as JSON.
struct RunStatusReport {
    let status: RunStatus
    let path: String

    /// In a word or two.
    var state: String { status.isRunning ? "training" : status.isFinished ? "finished" : "not running" }

    /// Names and values.
    var facts: [(name: String, value: String)] { rows.map { ($0[0], $0[1]) } }

    private var rows: [[String]] {
        let total = status.identity.totalSteps
        var rows = [
            ["run", path],
            ["state", state],
            ["step", "\(status.step) of \(total)"],
            ["type", status.type.rawValue],
            ["teacher", status.identity.teacherPath],
            ["recipe", String(status.identity.recipeDigest.prefix(16))],
            ["begun", status.identity.created],
        ]
        if let loss = status.loss { rows.append(["loss", Text.fixed(loss.value, 4)]) }
        if status.isRunning, let speed = status.history.speed, let left = status.secondsLeft {
            rows.append(["speed", "\(Text.fixed(speed, 0)) tokens/s, \(Text.time(left)) left"])
        }
        if let best = status.best {
            rows.append(["best", "step \(best.step), divergence \(Text.fixed(best.value, 5))"])
        }
        for checkpoint in status.checkpoints {
            rows.append(["saved", "step \(checkpoint.step), \(Text.bytes(checkpoint.byteCount))"])
        }
        if let cache = status.teacherCache {
            let tokens =
                cache.tokens < cache.totalTokens
                ? "\(Text.count(cache.tokens)) of \(Text.count(cache.totalTokens))" : Text.count(cache.tokens)
            rows.append([
                "cache",
                "\(cache.path), \(cache.top) probabilities of \(tokens) tokens, \(Text.bytes(cache.byteCount))",
            ])
        }
        rows.append(["on disk", Text.bytes(status.byteCount)])
        return rows
    }

    var text: String {
        var sections = [Text.table(rows)]
        if !status.heldOut.isEmpty {
            let history = status.heldOut.map { ["\($0.step)", Text.fixed($0.value, 5)] }
            sections.append(Text.table([["step", "held-out divergence"]] + history, right: [0, 1]))
        }
        return sections.joined(separator: "\n\n")
    }

    var json: String { String(document.serialized().dropLast()) }

    var document: JSONValue {
        var members: [JSONValue.Member] = [
            .init("run", .string(path)),
            .init("is_running", .bool(status.isRunning)),
            .init("step", .integer(status.step)),
            .init("total_steps", .integer(status.identity.totalSteps)),
            .init("type", .string(status.type.rawValue)),
            .init("teacher", .string(status.identity.teacherPath)),
            .init("teacher_digest", .string(status.identity.teacherDigest)),
            .init("text_digest", .string(status.identity.textDigest)),
            .init("recipe_digest", .string(status.identity.recipeDigest)),
            .init("begun", .string(status.identity.created)),
            .init("bytes", .integer(status.byteCount)),
            .init("loss", status.loss.map { .finite($0.value) } ?? .null),
            .init("tokens_per_second", status.history.speed.map { .real($0) } ?? .null),
            .init("seconds_left", status.secondsLeft.map { .real($0) } ?? .null),
            .init("rounded_divergence", status.history.rounded.map { .finite($0) } ?? .null),
            .init("rounded_perplexity", status.history.roundedPerplexity.map { .finite($0) } ?? .null),
            .init("teacher_perplexity", status.history.teacherPerplexity.map { .finite($0) } ?? .null),
        ]
        let best = status.best.map {
            JSONValue.members(["step": .integer($0.step), "divergence": .real($0.value)])
        }
        members.append(.init("best", best ?? .null))
        let checkpoints = status.checkpoints.map {
            JSONValue.members(["step": .integer($0.step), "bytes": .integer($0.byteCount)])
        }
        members.append(.init("checkpoints", .array(checkpoints)))
        let cache = status.teacherCache.map {
            JSONValue.members([
                "path": .string($0.path), "top": .integer($0.top), "tokens": .integer($0.tokens),
                "total_tokens": .integer($0.totalTokens), "bytes": .integer($0.byteCount),
            ])
        }
        members.append(.init("teacher_cache", cache ?? .null))
        let heldOut = status.heldOut.map {
            JSONValue.members(["step": .integer($0.step), "divergence": .real($0.value)])
        }
        members.append(.init("held_out", .array(heldOut)))
        return .object(members)
    }

    /// How the run goes, in a few lines that are drawn again and again.
    var watch: String {
        let history = status.history
        var rows = [["state", "\(state), step \(status.step) of \(status.identity.totalSteps)"]]
        if let loss = status.loss {
            rows.append([
                "loss", "\(Text.fixed(loss.value, 4))  \(Text.sparkline(history.losses.map(\.value)))",
            ])
        }
        if let heldOut = status.heldOut.last {
            let values = ([history.rounded].compactMap { $0 }) + status.heldOut.map(\.value)
            rows.append(["held-out divergence", "\(Text.fixed(heldOut.value, 5))  \(Text.sparkline(values))"])
        }
        if let best = status.best {
            rows.append(["best", "step \(best.step), divergence \(Text.fixed(best.value, 5))"])
        }
        if let speed = history.speed {
            let left = status.isFinished ? "" : status.secondsLeft.map { ", \(Text.time($0)) left" } ?? ""
            rows.append(["speed", "\(Text.fixed(speed, 0)) tokens/s\(left)"])
        }
        return Text.table(rows)
    }
}
