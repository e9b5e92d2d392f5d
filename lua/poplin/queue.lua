--- The tasks that are to be resumed, first come, first served, each once.
--
-- It is a list through the tasks themselves, in fields that they have from the beginning: so nothing is lost when
-- memory runs out.

local queue = {}

local first, last

--- Adds a task, unless it is there.
function queue.add(task)
  if task.queued then
    return
  elseif last then
    last.following = task
  else
    first = task
  end
  task.queued, last = true, task
end

--- Adds all of an array, which is empty then.
function queue.add_all(tasks)
  for i = 1, #tasks do
    queue.add(tasks[i])
  end
  for i = #tasks, 1, -1 do
    tasks[i] = nil
  end
end

--- The one that is next, which is there.
function queue.first()
  return first
end

--- Takes a task out, if that is next.
function queue.done(task)
  if task == first then
    first = task.following or nil
    last = first and last
    task.queued, task.following = false, false
  end
end

--- The one that was added last; nil: there is none.
function queue.last()
  return last
end

return queue
