// What file names say. Names are bytes that somebody else chose: shown escaped, compared in lower case, never given to a shell.

/** Bytes of a path as text: `a/b` of two escaped parts is the escaped path, so prefixes can be compared. */
export function showName(name: Buffer): string {
  const text = name.toString('utf8')
  const plain = Buffer.byteLength(text) === name.length && !text.includes('�') && !unsafe.test(text)
  return plain ? text : name.toString('latin1').replaceAll(/[^\x20-\x5b\x5d-\x7e]/g, octal)
}

/** Control characters, the escape itself, and what turns the direction of a line on a terminal. */
// oxlint-disable-next-line no-control-regex -- control characters are what is looked for
const unsafe = /[\x00-\x1f\x7f-\x9f\\\u200e\u200f\u202a-\u202e\u2066-\u2069]/
const octal = (character: string): string => `\\${character.charCodeAt(0).toString(8).padStart(3, '0')}`

/** Files from which software is built, by exact name in lower case. */
const recipeNames: ReadonlySet<string> = new Set(
  `makefile gnumakefile cmakelists.txt meson.build configure configure.ac build.ninja sconstruct wscript build.bazel workspace
  module.bazel justfile taskfile.yml package.json deno.json pom.xml build.xml build.gradle build.gradle.kts settings.gradle
  settings.gradle.kts build.sbt cargo.toml go.mod pyproject.toml setup.py setup.cfg gemfile rakefile composer.json mix.exs rebar.config
  package.swift dune-project stack.yaml cabal.project project.clj shard.yml build.zig flake.nix default.nix dockerfile containerfile
  docker-compose.yml compose.yaml jenkinsfile .gitlab-ci.yml .travis.yml azure-pipelines.yml bitbucket-pipelines.yml`.split(/\s+/),
)
const recipeEndings = ['.sln', '.slnx', '.csproj', '.vcxproj', '.cabal', '.gemspec', '.opam', '.nimble', '.xcodeproj', '.pro']

/** Whether a file name (without folders) is that of a build recipe. */
export function isBuildRecipe(name: string): boolean {
  const lower = name.toLowerCase()
  return recipeNames.has(lower) || recipeEndings.some((ending) => lower.endsWith(ending))
}

/** Whether a file name (without folders) is that of a licence text. */
export function isLicence(name: string): boolean {
  return /^(?:licen[cs]e|copying|unlicense|eula)(?:[.-].{1,60})?$/i.test(name)
}
