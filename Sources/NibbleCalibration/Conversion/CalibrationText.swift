internal import NibbleTokenizer

/// The sequences of a calibration.
struct CalibrationText {
    /// What is calibrated on.
    let sequences: [[Int32]]
    /// What is held out.
    let heldOut: [[Int32]]
    /// Digest of all sequences of the text.
    let digest: String
    /// Digest of the held-out ones; nil where there are none.
    let heldOutDigest: String?

    /// Reads the text of a request and takes evenly spaced sequences from it.
    ///
    /// - Parameter generated: tokens that the model wrote, where that is asked for.
    /// - Throws: `TextError` where the text is too short or cannot be cut, `CheckpointError` where it cannot be read.
    init(_ request: CalibrationRequest, tokenizer: Tokenizer, generated: [Int32]) throws {
        let all = try TokenSequences(
            paths: request.writesText ? [] : request.texts, textField: request.textField,
            tokenizer: tokenizer, sequenceLength: request.sequenceLength, generated: generated)
        let (count, heldOutCount) = (request.options.sequences, request.heldOutCount)
        guard all.sequenceCount >= count + heldOutCount else {
            throw TextError(
                request.texts.first ?? "text",
                "has \(all.sequenceCount) sequences of \(request.sequenceLength) tokens (\(all.tokenCount) tokens), "
                    + "\(count) to calibrate on"
                    + (heldOutCount > 0 ? " and \(heldOutCount) to measure on" : "")
                    + " need \((count + heldOutCount) * request.sequenceLength) tokens",
                advice:
                    "add text, or ask for \(max(1, all.sequenceCount - heldOutCount)) sequences or fewer, or shorter ones"
            )
        }
        digest = all.digest
        guard heldOutCount > 0 else {
            sequences = all.sample(count)
            heldOut = []
            heldOutDigest = nil
            return
        }
        let (taken, rest) = try all.heldOut(sequences: heldOutCount)
        heldOut = taken
        sequences = rest.sample(count)
        heldOutDigest = TokenSequences.digest(of: taken)
    }
}
