internal import ArgumentParser
internal import NibbleHub

/// A command whose arguments name checkpoints, which may be repositories on a hub.
protocol TakesCheckpoints: ParsableCommand {
    /// Whether it shows no progress.
    var quiet: Bool { get }

    /// Replaces each argument that names a checkpoint by what `local` gives for it.
    mutating func replaceCheckpoints(_ local: (String) throws -> String) throws
}

extension TakesCheckpoints {
    /// Pulls what is named by its repository.
    mutating func pullCheckpoints() throws {
        var command = self
        var namesRepository = false
        try command.replaceCheckpoints {
            namesRepository = namesRepository || HubRepository.isName($0)
            return $0
        }
        guard namesRepository else { return }
        let isQuiet = quiet
        try Session.run { session in
            try command.replaceCheckpoints { try HubInput.path($0, session, isQuiet: isQuiet) }
        }
        self = command
    }
}

extension ConvertCommand: TakesCheckpoints {
    mutating func replaceCheckpoints(_ local: (String) throws -> String) throws { input = try local(input) }
}

extension CompareCommand: TakesCheckpoints {
    var quiet: Bool { options.quiet }

    mutating func replaceCheckpoints(_ local: (String) throws -> String) throws {
        base = try local(base)
        models = try models.map(local)
        alsoAgainst = try alsoAgainst.map(local)
    }
}

extension PerplexityCommand: TakesCheckpoints {
    var quiet: Bool { options.quiet }

    mutating func replaceCheckpoints(_ local: (String) throws -> String) throws {
        model = try local(model)
        base = try base.map(local)
    }
}

extension ImatrixCommand: TakesCheckpoints {
    var quiet: Bool { options.quiet }

    mutating func replaceCheckpoints(_ local: (String) throws -> String) throws {
        model = try model.map(local)
    }
}

extension GenerateCommand: TakesCheckpoints {
    mutating func replaceCheckpoints(_ local: (String) throws -> String) throws { model = try local(model) }
}

extension InspectCommand: TakesCheckpoints {
    var quiet: Bool { false }

    mutating func replaceCheckpoints(_ local: (String) throws -> String) throws { path = try local(path) }
}

extension TokenizeCommand: TakesCheckpoints {
    var quiet: Bool { false }

    mutating func replaceCheckpoints(_ local: (String) throws -> String) throws { model = try local(model) }
}

extension PlanCommand: TakesCheckpoints {
    var quiet: Bool { false }

    mutating func replaceCheckpoints(_ local: (String) throws -> String) throws {
        model = try model.map(local)
    }
}

extension CardCommand: TakesCheckpoints {
    var quiet: Bool { false }

    mutating func replaceCheckpoints(_ local: (String) throws -> String) throws { path = try local(path) }
}

extension QATTrainCommand: TakesCheckpoints {
    mutating func replaceCheckpoints(_ local: (String) throws -> String) throws {
        teacher = try local(teacher)
    }
}

extension QATExportCommand: TakesCheckpoints {
    mutating func replaceCheckpoints(_ local: (String) throws -> String) throws {
        teacher = try teacher.map(local)
    }
}
