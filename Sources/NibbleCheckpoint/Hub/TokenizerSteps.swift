extension JSONValue? {
    /// The steps of a normalizer or pre-tokenizer of `tokenizer.json` in order, sequences within sequences taken apart.
    ///
    /// - Parameter list: the field in which a sequence has its steps: `normalizers`, `pretokenizers`.
    func steps(_ list: String) -> [JSONValue] {
        guard let value = self, !value.isNull else { return [] }
        guard value["type"]?.text == "Sequence" else { return [value] }
        return (value[list]?.elements ?? []).flatMap { JSONValue?.some($0).steps(list) }
    }
}
