/// What the name of a model says of it, by the heuristics of llama.cpp's converter (gguf-py, metadata.py,
/// `get_model_id_components`): `google/gemma-3-1b-it` has an organization, a base name, a size and a fine-tune.
struct ModelName {
    var full: String?
    var organization: String?
    var base: String?
    var finetune: String?
    var version: String?
    var size: String?

    private enum Kind { case base, size, finetune, version, type }

    init(_ id: String, parameterCount: Int) {
        guard !id.contains(" ") else {
            full = id
            return
        }
        var name = id
        if let slash = id.firstIndex(of: "/") {
            organization = String(id[..<slash])
            name = String(id[id.index(after: slash)...])
            if organization?.first == "." { organization = nil }
        }
        full = name
        var parts = name.split(separator: "-").map(String.init)
        var kinds = [Set<Kind>](repeating: [], count: parts.count)
        for index in parts.indices {
            Self.annotate(&parts[index], &kinds[index], isFirst: index == 0, parameterCount)
        }
        let hasNumber = zip(parts, kinds).contains { $1.contains(.size) && $0.contains(where: \.isNumber) }
        for index in parts.indices where hasNumber && parts[index].allSatisfy(\.isLetter) {
            kinds[index].remove(.size)
        }
        Self.markBase(parts, &kinds)
        func join(_ parts: [String]) -> String? { parts.isEmpty ? nil : parts.joined(separator: "-") }
        let marked = Array(zip(parts, kinds))
        var sizes: [String] = []
        for (part, kinds) in marked where kinds.contains(.size) && !sizes.contains(part) {
            sizes.append(part)
        }
        size = join(sizes)
        finetune = join(marked.filter { $0.1.contains(.finetune) }.map(\.0))
        version = join(marked.filter { $0.1.contains(.version) && !$0.1.contains(.base) }.map(\.0))
        base = join(marked.filter { $0.1.contains(.base) }.map(\.0))
        // Too ambiguous: a base name that is not told apart from anything.
        if size == nil, finetune == nil, version == nil { base = nil }
    }

    /// Tells what one part between hyphens is, and normalises sizes.
    private static func annotate(
        _ part: inout String, _ kinds: inout Set<Kind>, isFirst: Bool, _ parameterCount: Int
    ) {
        let lower = part.lowercased()
        if lower.wholeMatch(of: /(v|iter)?\d+([.]\d+)*/) != nil {
            kinds.insert(.version)
        } else if lower.wholeMatch(of: /i?q\d(_\w)*|b?fp?(16|32)/) != nil {
            kinds.insert(.type)
            part = part.uppercased()
        } else if !isFirst,
            lower.wholeMatch(of: /(([a]|\d+[x])?\d+([._]\d+)?[kmbt][\d]?|small|mini|medium|large|x?xl)/)
                != nil
        {
            annotateSize(&part, &kinds, parameterCount)
        } else if !isFirst, ["chat", "instruct", "vision", "lora"].contains(lower) {
            kinds.insert(.finetune)
        }
    }

    private static func annotateSize(_ part: inout String, _ kinds: inout Set<Kind>, _ parameterCount: Int) {
        var characters = part.map { $0 == "_" ? "." : $0 }
        // bloom-7b1 means 7.1b.
        if let last = characters.last, last.isNumber, characters.count > 1 {
            let unit = characters[characters.count - 2]
            characters.removeLast(2)
            characters += [".", last, unit]
        }
        if characters.count > 1, characters[characters.count - 2].isNumber, let unit = characters.last {
            characters[characters.count - 1] = Character(unit.uppercased())
        }
        part = String(characters)
        let powers: [Character: Double] = ["K": 1e3, "M": 1e6, "B": 1e9, "T": 1e12]
        if parameterCount != 0, let unit = part.last, let power = powers[unit],
            let number = Double(part.dropLast())
        {
            // Far from the size of the model: likely a context length.
            if Int(abs(number * power - Double(parameterCount))) > 7 * parameterCount / 8 {
                kinds.insert(.finetune)
                part = part.dropLast() + unit.lowercased()
            }
        }
        if kinds.isEmpty { kinds.insert(.size) }
    }

    private static func markBase(_ parts: [String], _ kinds: inout [Set<Kind>]) {
        var isStart = true
        for index in parts.indices {
            let startsWithLetter = parts[index].first?.isLetter ?? false
            if isStart, (kinds[index].isEmpty && startsWithLetter) || kinds[index].contains(.version) {
                kinds[index].insert(.base)
            } else {
                isStart = false
                if kinds[index].isEmpty { kinds[index].insert(.finetune) }
            }
        }
        for index in parts.indices.reversed() {
            guard kinds[index].contains(.base), kinds[index].count > 1 else { break }
            kinds[index].remove(.base)
        }
    }

    /// `gemma-3-1b-it` as a title: "Gemma 3 1b It".
    static func title(_ name: String) -> String {
        name.split { $0 == "-" || $0.isWhitespace }.map { word in
            let isLower = word.contains(where: \.isLetter) && word.lowercased() == word
            guard isLower, word.wholeMatch(of: /(v\d+(?:\.\d+)*|\d.*)/) == nil else { return String(word) }
            // Python's title(): a capital after everything that is no letter.
            var result = ""
            var follows = false
            for character in word {
                result += follows ? String(character) : character.uppercased()
                follows = character.isLetter
            }
            return result
        }.joined(separator: " ")
    }

    /// `268M`, `3.2K`: at least two digits (gguf-py, utility.py).
    static func sizeLabel(_ parameterCount: Int) -> String {
        let count = Double(parameterCount)
        let (scaled, suffix) =
            count > 1e12
            ? (count * 1e-12, "T")
            : count > 1e9
                ? (count * 1e-9, "B")
                : count > 1e6 ? (count * 1e-6, "M") : (count * 1e-3, "K")
        let whole = Int(scaled.rounded(.toNearestOrEven))
        let digits = whole == 0 ? 0 : String(whole).count
        let decimals = max(2 - digits, 0)
        let factor = decimals == 0 ? 1.0 : decimals == 1 ? 10 : 100
        let fixed = Int((scaled * factor).rounded(.toNearestOrEven))
        guard decimals > 0 else { return "\(fixed)\(suffix)" }
        let fraction = String(fixed % Int(factor))
        let zeros = String(repeating: "0", count: decimals - fraction.count)
        return "\(fixed / Int(factor)).\(zeros)\(fraction)\(suffix)"
    }
}
