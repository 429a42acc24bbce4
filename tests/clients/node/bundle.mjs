// Bundles a React component, the file PAGE, with the page's own script that renders it; prints the script.
import { build } from 'esbuild'

const { outputFiles } = await build({
  stdin: {
    contents: `import Chat from ${JSON.stringify(process.env.PAGE)}
      import { createRoot } from 'react-dom/client'
      createRoot(document.getElementById('root')).render(<Chat id={location.hash.slice(1)} />)`,
    loader: 'jsx',
    resolveDir: import.meta.dirname,
  },
  bundle: true,
  write: false,
  jsx: 'automatic',
  format: 'iife',
  charset: 'utf8',
  nodePaths: [`${import.meta.dirname}/node_modules`],
  define: { 'process.env.NODE_ENV': '"production"' },
  logLevel: 'error',
})
process.stdout.write(outputFiles[0].text)
