internal import NibbleCheckpoint
internal import NibbleTokenizer

/// The texts of a run by kinds, where its recipe has a mixture.
struct TrainingTexts: Sendable {
    /// The kinds in the order of the mixture, with their files and folders; without a name the one of a run without mixture.
    private let kinds: [(name: String?, paths: [String])]
    /// Files and folders of held-out text.
    private let heldOut: [String]
    private let request: TrainingRequest
    /// How much of the run is of each kind; nil without a mixture.
    let shares: TextShares?
    /// Names of texts that are of no account, as there is no mixture.
    let unusedNames: [String]

    /// What a kind is called that the teacher writes.
    private static let own = "self"

    /// Finds the kinds of a request's texts.
    ///
    /// - Throws: `TextError` where a text has no share in the mixture, or a share no text; `CheckpointError` where a file is
    ///   missing.
    init(_ request: TrainingRequest) throws {
        self.request = request
        let texts = request.texts.map(NamedPath.init)
        heldOut = request.heldOutTexts
        try TextFiles.checkPresence(texts.map(\.path) + heldOut)
        let mixture = request.recipe.train.mixture
        guard !mixture.isEmpty else {
            kinds = [(nil, texts.map(\.path))]
            shares = nil
            unusedNames = texts.compactMap(\.name)
            return
        }
        unusedNames = []
        let names = mixture.map(\.name)
        for text in texts { try Self.check(text, among: names, writesOwn: request.selfSequences != nil) }
        var kinds: [(name: String?, paths: [String])] = []
        for name in names {
            let paths = texts.filter { $0.name == name }.map(\.path)
            guard !paths.isEmpty || name == Self.own && request.selfSequences != nil else {
                throw TextError(
                    "train.mixture", "has a share of '\(name)', and no text is called so",
                    advice: name == Self.own ? "add --text self" : "name it, as --text \(name)=PATH")
            }
            kinds.append((name, paths))
        }
        guard request.selfSequences == nil || names.contains(Self.own) else {
            throw TextError(
                "train.mixture", "has no share of '\(Self.own)', text that the teacher writes",
                advice: "give it one, or leave out --text self")
        }
        self.kinds = kinds
        shares = TextShares(mixture.map { Double($0.weight) })
    }

    private static func check(_ text: NamedPath, among names: [String], writesOwn: Bool) throws(TextError) {
        guard let name = text.name else {
            throw TextError(
                text.path,
                "has no name, and train.mixture has shares by name: \(names.joined(separator: ", "))",
                advice: "name it, as --text "
                    + "\(names.first { !writesOwn || $0 != own } ?? "NAME")=\(text.path)")
        }
        guard names.contains(name) else {
            throw TextError(
                text.path, "is called '\(name)', of which train.mixture has no share",
                advice: NearestName.advice(name, among: names) ?? "give it one, or leave it out")
        }
        guard name != own || !writesOwn else {
            throw TextError(
                text.path, "is called '\(own)', as text that the teacher writes is",
                advice: "call it something else")
        }
    }

    /// What is trained on, and what is held out.
    ///
    /// - Parameter generated: tokens that the teacher wrote; they come first where there are no kinds.
    /// - Throws: `TextError` or `CheckpointError` where a text cannot be read, or is too short.
    func read(
        _ tokenizer: Tokenizer, generated: [Int32]
    ) throws -> (training: TokenSequences, heldOut: HeldOutText?) {
        let evaluation = request.recipe.evaluation
        let all = try training(tokenizer, generated: generated)
        guard evaluation.every > 0 else { return (all, nil) }
        guard heldOut.isEmpty else {
            let text = try sequences(heldOut, tokenizer)
            return (
                all, HeldOutText(text.sample(evaluation.chunks ?? Recipe.Evaluation.defaultChunks))
            )
        }
        let (taken, rest) = try all.heldOut(
            sequences: evaluation.count(takenFrom: all, shares: shares), shares: shares)
        return (rest, HeldOutText(taken))
    }

    /// Of some sequences of the run those that the teacher writes.
    func own(of sequences: Int) -> Int {
        guard let shares, let kind = kinds.firstIndex(where: { $0.name == Self.own }) else {
            return sequences
        }
        return max(1, shares.counts(of: sequences)[kind])
    }

    private func training(_ tokenizer: Tokenizer, generated: [Int32]) throws -> TokenSequences {
        var named: [(name: String, text: TokenSequences)] = []
        for (name, paths) in kinds {
            guard let name else { return try sequences(paths, tokenizer, generated: generated) }
            named.append(
                (name, try sequences(paths, tokenizer, generated: name == Self.own ? generated : [])))
        }
        return TokenSequences(kinds: named)
    }

    private func sequences(
        _ paths: [String], _ tokenizer: Tokenizer, generated: [Int32] = []
    ) throws -> TokenSequences {
        try TokenSequences(
            paths: paths, textField: request.textField, tokenizer: tokenizer,
            sequenceLength: request.recipe.train.sequenceLength, generated: generated)
    }
}
