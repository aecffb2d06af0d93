// Builds the styles and scripts of the pages into ../dist, which is committed: `go build` needs no node.
import { readFileSync, writeFileSync, mkdirSync, copyFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import * as sass from 'sass'
import * as esbuild from 'esbuild'

const src = dirname(fileURLToPath(import.meta.url))
const dist = join(src, '..', 'dist')
mkdirSync(dist, { recursive: true })

const compiled = sass.compile(join(src, 'scss', 'app.scss'), {
  loadPaths: [src],
  quietDeps: true,
  silenceDeprecations: ['import'],
  logger: { warn: (message, { deprecation }) => { if (!deprecation && !/deprecated/.test(message)) console.warn(message) } },
})
const expanded = compiled.css.replace(/[a-z-]+:\s*[^;{}]*url\([^)]*\)[^;}]*;?/g, '') // pictures that we do not ship
const css = esbuild.transformSync(expanded, { loader: 'css', minify: true, legalComments: 'none', charset: 'utf8' }).code

// What must never be shipped: a font licensed for one site only, a crest, and anything fetched from elsewhere.
for (const forbidden of [/transport/i, /crest/i, /@font-face/i, /url\(/i, /@import/i]) {
  if (forbidden.test(css)) throw new Error(`the built styles contain ${forbidden}: ${css.slice(css.search(forbidden) - 80, css.search(forbidden) + 80)}`)
}
writeFileSync(join(dist, 'app.css'), css)

// app.js is for every page, passkey.js for signing in, verify.js for the one that checks receipts, files.js for those that take files.
for (const script of ['app', 'passkey', 'verify', 'files']) {
  await esbuild.build({
    entryPoints: [join(src, 'js', `${script}.mjs`)],
    outfile: join(dist, `${script}.js`),
    bundle: true, minify: true, format: 'esm', target: ['es2020'], legalComments: 'none', charset: 'utf8',
    logLevel: 'warning',
  })
  const js = readFileSync(join(dist, `${script}.js`), 'utf8')
  if (/\beval\(|new Function\(/.test(js)) throw new Error('a built script evaluates strings; the content security policy forbids that')
}

for (const file of ['mark.svg', 'mark-light.svg', 'favicon.svg']) copyFileSync(join(src, file), join(dist, file))

// The licence of every package whose code or style is in the files above.
const bundled = ['govuk-frontend', '@ministryofjustice/frontend']
const licences = bundled.map((name) => {
  const pkg = JSON.parse(readFileSync(join(src, 'node_modules', name, 'package.json'), 'utf8'))
  return `${name} ${pkg.version} (${pkg.license})\n${'='.repeat(60)}\n\n${licence(name)}\n`
})
writeFileSync(join(dist, 'LICENSES.txt'), `Third-party code in app.css and app.js\n\n${licences.join('\n')}`)

function licence(name) {
  for (const file of ['LICENSE', 'LICENSE.txt', 'LICENCE', 'LICENCE.txt', 'LICENSE.md']) {
    try { return readFileSync(join(src, 'node_modules', name, file), 'utf8').trim() } catch { /* next name */ }
  }
  return readFileSync(join(src, 'licences', name.replace(/^@/, '').replace(/\W+/g, '-') + '.txt'), 'utf8').trim()
}
