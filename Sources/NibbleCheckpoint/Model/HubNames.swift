/// Tensor names of the hub beyond those of the plain text models.
enum HubNames {
    /// The name that the text model inside a multimodal checkpoint would have on its own: both
    /// `language_model.model.layers.0` and `model.language_model.layers.0` become `model.layers.0`.
    static func textModelName(_ name: String) -> String {
        let part = "language_model."
        guard let range = name.firstRange(of: part) else { return name }
        return name.replacingCharacters(in: range)
    }

    /// Why a tensor is not part of the text model; nil where it is.
    static func reasonToLeaveOut(_ name: String) -> String? {
        if name.hasSuffix(".rotary_emb.inv_freq") || name.hasSuffix(".attention.masked_bias")
            || name.hasSuffix(".attention.bias")
        {
            return "computed at run time"
        }
        let name = name.hasPrefix("model.") ? String(name.dropFirst(6)) : name
        if name.hasPrefix("vision_tower.") || name.hasPrefix("vision_model.") { return visionParts[0] }
        if name.hasPrefix("multi_modal_projector.") { return visionParts[1] }
        return nil
    }

    /// The reasons that are parts of a model which sees.
    static let visionParts = ["vision tower", "vision projector"]
}

extension StringProtocol {
    /// The first occurrence of `part`, compared byte by byte.
    package func firstRange(of part: String) -> Range<Index>? {
        var index = startIndex
        while index < endIndex {
            if self[index...].utf8.starts(with: part.utf8) {
                return index..<utf8.index(index, offsetBy: part.utf8.count)
            }
            index = utf8.index(after: index)
        }
        return nil
    }
}

extension String {
    func replacingCharacters(in range: Range<String.Index>) -> String {
        String(self[..<range.lowerBound] + self[range.upperBound...])
    }
}
