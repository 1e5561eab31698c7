-- book.lua - what a page of the book does otherwise than its Markdown: it links to pages, lets wide pictures
-- scroll, and draws its Mermaid. Each file that the page needs is a line of the file that LINKS names.

local links = io.open(os.getenv 'LINKS', 'a')
links:setvbuf 'no'

local function needs(target)
  if target:match '^%a+:' or target:match '^#' then return target end
  local file, anchor = target:match '^([^#]*)(.*)'
  links:write(file, '\n')
  return file:gsub('README%.md$', 'index.md'):gsub('%.md$', '.html') .. anchor
end

function Link(link)
  link.target = needs(link.target)
  return link
end

function Image(image)
  image.src = needs(image.src)
  return image
end

function Para(para)
  if #para.content == 1 and para.content[1].t == 'Image' then return pandoc.Div(para, { class = 'picture' }) end
end

-- Draws a sequence diagram: what the lessons use of them.
local COLUMN, ROW = 180, 34

local function text(x, y, words)
  words = words:gsub('[&<>]', { ['&'] = '&amp;', ['<'] = '&lt;', ['>'] = '&gt;' })
  return ('<text x="%g" y="%g">%s</text>'):format(x, y, words)
end

local function box(x, y, words, width)
  return ('<rect x="%g" y="%g" width="%g" height="26" rx="4"/>'):format(x - width / 2, y - 18, width) ..
    text(x, y, words)
end

function CodeBlock(block)
  if not block.classes:includes 'mermaid' then return end
  local x, names, rows, y = {}, {}, {}, ROW
  for line in block.text:gmatch '[^\n]+' do
    local id, name = line:match '^ *participant (%w+) as (.*)'
    local first, last, note = line:match '^ *Note over (%w+),?(%w*): (.*)'
    local from, dashes, to, words = line:match '^ *(%w+)(%-+)>>(%w+): (.*)'
    y = y + ROW
    if id then
      y = ROW
      names[#names + 1] = name
      x[id] = (#names - 0.5) * COLUMN
    elseif note then
      last = last == '' and first or last
      rows[#rows + 1] = box((x[first] + x[last]) / 2, y, note, math.max(#note * 6.6 + 10, x[last] - x[first] + 60))
    elseif words then
      rows[#rows + 1] = ('<path class="%s" d="M%g %gH%g"/>'):format(dashes == '--' and 'answer' or '', x[from], y + 5,
        x[to] + (x[to] > x[from] and -8 or 8)) .. text((x[from] + x[to]) / 2, y - 1, words)
    elseif not line:match '^sequenceDiagram$' then
      error('book.lua cannot draw this line of Mermaid: ' .. line)
    end
  end
  local lanes = {}
  for i, name in ipairs(names) do
    local at = (i - 0.5) * COLUMN
    lanes[i] = ('<path class="lane" d="M%g %gV%g"/>'):format(at, ROW, y + ROW / 2) .. box(at, ROW - 8, name, 80)
  end
  return pandoc.RawBlock('html', ('<div class="picture"><svg class="sequence" role="img" viewBox="0 0 %g %g" width="%g">' ..
    '<title>%s</title><marker id="head" viewBox="0 0 8 8" refX="0" refY="4" markerWidth="8" markerHeight="8" ' ..
    'markerUnits="userSpaceOnUse" orient="auto"><path d="M0 0L8 4L0 8z"/></marker>%s%s</svg></div>'):format(
    #names * COLUMN, y + ROW, #names * COLUMN, table.concat(names, ', '), table.concat(lanes), table.concat(rows)))
end
